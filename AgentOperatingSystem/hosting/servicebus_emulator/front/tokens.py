"""`$cbs`: claims by tokens (OASIS AMQP Claims-based Security 1.0, as the vendor's SDK speaks it).

Without keys every token is good; with keys a shared access signature has to be made with one of them, for the entity
or something above it, and not be over. A key of the namespace reaches everything, one of an entity that entity alone.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import EntityNotFound, Unauthorized
from AgentOperatingSystem.hosting.servicebus_emulator.settings import AccessKey

KeysOf = Callable[[str], tuple[AccessKey, ...]]
"""The keys of the entity that an address belongs to."""


class Keyring:
    """The keys of the namespace and of its entities, and the rule by which a token is made of one."""

    def __init__(self, keys: tuple[AccessKey, ...], keys_of: KeysOf, now_seconds: Callable[[], float]) -> None:
        self._keys = keys
        self._keys_of = keys_of
        self._now = now_seconds

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything: no key is configured."""
        return not self._keys

    def checked(self, token: str) -> tuple[str, frozenset[str]]:
        """The path that a token is for, and its rights. Raises `Unauthorized`."""
        parts: dict[str, Any] = dict(parse_qsl(token.removeprefix("SharedAccessSignature "), keep_blank_values=True))
        if not {"sr", "sig", "se"} <= parts.keys() or not parts["se"].isdigit():
            raise Unauthorized("the token is no shared access signature")
        path = _path(parts["sr"])
        keys = [each for each in (*self._keys, *self._keys_of(path)) if each.name == parts.get("skn")]
        if not keys:
            raise Unauthorized("the token is made with no key that is known here")
        rights = [each.rights for each in keys if _is_signed(parts, each)]
        if not rights:
            raise Unauthorized("the token's signature is wrong")
        if int(parts["se"]) <= self._now():
            raise Unauthorized("the token is over")
        return path, rights[0]


class Gatekeeper:
    """What one client may reach."""

    def __init__(self, keyring: Keyring, is_known: Callable[[str], bool]) -> None:
        self._keyring = keyring
        self._is_known = is_known
        self._granted: dict[str, frozenset[str]] = {}

    def put_token(self, token: object, audience: object) -> None:
        """Grants what the token is for. Raises `Unauthorized`, and `EntityNotFound` as the vendor's does."""
        if self._keyring.is_open:
            return
        path, rights = self._keyring.checked(str(token))
        wanted = _path(str(audience))
        if not covers(path, wanted):
            raise Unauthorized(f"the token is for {path or '/'!r}, not for {wanted!r}")
        if wanted and not self._is_known(wanted):
            raise EntityNotFound(f"there is no entity {wanted!r}")
        self._granted[wanted] = rights

    def check(self, path: str, right: str | None = None) -> None:
        """Raises `Unauthorized` for an entity that no token was shown for; or not one with that right."""
        if self._keyring.is_open:
            return
        shown = [rights for granted, rights in self._granted.items() if covers(granted, path)]
        if not shown:
            raise Unauthorized(f"no token was shown for {path!r}")
        if right is not None and not any(right in rights for rights in shown):
            raise Unauthorized(f"{right} is needed for {path!r}, and the token does not give it")


def signed(resource: str, expiry: str, key: str) -> str:
    """The signature of a resource URI until an expiry (seconds since 1970)."""
    text = f"{quote_plus(resource)}\n{expiry}".encode()
    return base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).decode()


def _is_signed(parts: dict[str, Any], key: AccessKey) -> bool:
    secrets = [each for each in (key.key, key.secondary) if each is not None]
    return any(hmac.compare_digest(signed(parts["sr"], parts["se"], each), parts["sig"]) for each in secrets)


def _path(uri: str) -> str:
    path = urlsplit(unquote(uri)).path.strip("/").lower()
    return path.removesuffix("/$management")


def covers(granted: str, wanted: str) -> bool:
    """Whether what was granted is the wanted path or something above it."""
    return not granted or wanted == granted or wanted.startswith(granted + "/")
