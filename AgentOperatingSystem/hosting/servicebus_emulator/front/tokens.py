"""`$cbs`: claims by tokens (OASIS AMQP Claims-based Security 1.0, as the vendor's SDK speaks it).

Without keys every token is good; with keys a shared access signature has to be made with one of them, for the entity
or something above it, and not be over.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote_plus, unquote, urlsplit

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import Unauthorized


class Gatekeeper:
    """What one client may reach."""

    def __init__(self, keys: dict[str, str], now_seconds: Callable[[], float]) -> None:
        self._keys = keys
        self._now = now_seconds
        self._granted: list[str] = []

    def put_token(self, token: object, audience: object) -> None:
        """Grants what the token is for. Raises `Unauthorized`."""
        if not self._keys:
            return
        path = self._checked(str(token))
        wanted = _path(str(audience))
        if not _covers(path, wanted):
            raise Unauthorized(f"the token is for {path or '/'!r}, not for {wanted!r}")
        self._granted.append(wanted)

    def check(self, path: str) -> None:
        """Raises `Unauthorized` for an entity that no token was shown for."""
        if self._keys and not any(_covers(granted, path) for granted in self._granted):
            raise Unauthorized(f"no token was shown for {path!r}")

    def _checked(self, token: str) -> str:
        parts: dict[str, Any] = dict(parse_qsl(token.removeprefix("SharedAccessSignature "), keep_blank_values=True))
        key = self._keys.get(parts.get("skn", ""))
        if key is None or not {"sr", "sig", "se"} <= parts.keys() or not parts["se"].isdigit():
            raise Unauthorized("the token is no shared access signature of a key that is known here")
        signature = signed(parts["sr"], parts["se"], key)
        if not hmac.compare_digest(signature, parts["sig"]):
            raise Unauthorized("the token's signature is wrong")
        if int(parts["se"]) <= self._now():
            raise Unauthorized("the token is over")
        return _path(parts["sr"])


def signed(resource: str, expiry: str, key: str) -> str:
    """The signature of a resource URI until an expiry (seconds since 1970)."""
    text = f"{quote_plus(resource)}\n{expiry}".encode()
    return base64.b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).decode()


def _path(uri: str) -> str:
    path = urlsplit(unquote(uri)).path.strip("/").lower()
    return path.removesuffix("/$management")


def _covers(granted: str, wanted: str) -> bool:
    return not granted or wanted == granted or wanted.startswith(granted + "/")
