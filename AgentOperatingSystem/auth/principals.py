"""Who a caller of the HTTP door is: decided from what only the caller can have, never from what a body says.

    guard → Callers.of(headers) → Principal → routes: who decides, who is behind an event

A caller is a token's holder (`tokens_file`), a user whom App Service has let in (`easy_auth`), or whoever has the
shared token: nobody in particular, whose word is taken for who he is.
"""

import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

from AgentOperatingSystem.auth.easy_auth import user_in
from AgentOperatingSystem.auth.tokens_file import TokensFile
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.errors import Unauthorized

SCHEME: Final = b"bearer"


class Principal(NamedTuple):
    """A caller."""

    name: str = ""
    """Empty for whoever has the shared token."""
    speaks_for_others: bool = False
    """Whether it may name others as those who decide and ask: a gateway that has let them in itself."""

    def who(self, said: str) -> str:
        """Whose decision it is, where a request says it is `said`'s."""
        return said or self.name if self.speaks_for_others or not self.name else self.name


SHARED: Final = Principal()


class Callers:
    """Everybody who may call. `token` is the shared one; empty where there is none but what the setting `token` names
    elsewhere.
    """

    def __init__(self, config: AOSConfig, token: str) -> None:
        self._token = token.encode()
        self._live = config.token if isinstance(config.token, LiveSecret) else None
        self._named = TokensFile(config.tokens_file) if config.tokens_file is not None else None
        self._easy_auth = config.easy_auth

    def of(self, headers: Mapping[bytes, bytes]) -> Principal:
        """The caller of a request with these headers (names in lower case). Raises `Unauthorized`; `Unavailable` where
        the shared token lies elsewhere and could not be read yet.
        """
        if self._easy_auth:
            user = user_in(headers)
            if user:
                return Principal(user)
        return self._bearer(headers.get(b"authorization", b""))

    def _bearer(self, authorization: bytes) -> Principal:
        scheme, _, text = authorization.partition(b" ")
        token = text.strip()
        if scheme.lower() == SCHEME and token:
            if self._is_shared(token):
                return SHARED
            holder = self._named.holder_of(token) if self._named is not None else None
            if holder is not None:
                return Principal(holder.name, holder.speaks_for_others)
        what = "the token is wrong" if authorization else "there is no token"
        raise Unauthorized(f"{what}; send the header 'Authorization: Bearer <token>'")

    def _is_shared(self, token: bytes) -> bool:
        if self._token and hmac.compare_digest(token, self._token):
            return True
        return self._live is not None and hmac.compare_digest(token, self._live.get_secret_value().encode())
