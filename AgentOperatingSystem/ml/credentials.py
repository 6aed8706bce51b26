"""The headers by which a call of a model is let in, with the key as it is at that moment.

Made by `remote`; `http.HttpEdge` asks for them before each call, and asks `renewed` where the provider has refused the
key: one that lies in a vault may have been exchanged meanwhile.
"""

from collections.abc import Callable, Mapping

from pydantic import SecretStr

from AgentOperatingSystem.config.references import LiveSecret, renewed
from AgentOperatingSystem.errors import ModelUnavailable, Unavailable
from AgentOperatingSystem.ml.records import NOTHING_USED


class KeyHeaders:
    """`make(key)`, and what goes with every call besides; without a secret only the latter."""

    def __init__(self, secret: SecretStr | None, make: Callable[[str], Mapping[str, str]], **fixed: str) -> None:
        self._secret = secret
        self._make = make
        self._fixed = {name.replace("_", "-"): value for name, value in fixed.items()}

    async def __call__(self) -> Mapping[str, str]:
        """The headers. Raises `ModelUnavailable` where the key cannot be read from where it lies."""
        if self._secret is None:
            return self._fixed
        try:
            return {**self._fixed, **self._make(self._secret.get_secret_value())}
        except Unavailable as error:
            unavailable = ModelUnavailable(str(error), error.after_seconds)
            unavailable.usage = NOTHING_USED
            raise unavailable from None

    async def renewed(self, sent: Mapping[str, str]) -> bool:
        """Whether there are others by now than those that were sent and refused."""
        if not isinstance(self._secret, LiveSecret) or not self._secret.is_known:
            return False
        if await self() != sent:
            return True
        return await renewed(self._secret, self._secret.get_secret_value())


def bearer(key: str) -> Mapping[str, str]:
    """As most providers take it."""
    return {"Authorization": f"Bearer {key}"}
