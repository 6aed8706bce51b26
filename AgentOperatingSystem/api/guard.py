"""The guard: the first thing that a request meets. Draining, host and origin, escapes, token; then the routes; then
their errors.

A plain ASGI wrapper around the whole application, so that a route cannot be without it.
"""

import hmac
import ipaddress
import logging
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.problems import send_problem
from AgentOperatingSystem.errors import Draining, Forbidden, InvalidInput, Unauthorized

LIVE = "/health/live"
GITHUB = "/webhooks/github"
RETRY_AFTER_DRAIN_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._is_local = is_loopback(door.config.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:
                _log.exception("%s %s failed in the middle of its answer", scope["method"], scope["path"])
                raise
            await send_problem(send, error)

    def _check(self, scope: Scope) -> None:
        """Raises where the request is not to reach any route."""
        path = scope["path"]
        if path == LIVE:
            return
        if self._door.draining.is_set():
            raise Draining("the host is shutting down", RETRY_AFTER_DRAIN_SECONDS)
        given = {name: value for name, value in scope["headers"] if name in (b"authorization", b"host", b"origin")}
        if self._is_local:
            _check_local(given)
        if b"%" in scope["query_string"] or b"%" in scope.get("raw_path", b""):
            _check_escapes(scope)
        if path != GITHUB:
            self._check_token(given.get(b"authorization", b""))

    def _check_token(self, authorization: bytes) -> None:
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._door.token):
            what = "the token is wrong" if authorization else "there is no token"
            raise Unauthorized(f"{what}; send the header 'Authorization: Bearer <token>'")


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _check_local(given: dict[bytes, bytes]) -> None:
    """A page whose name an attacker has pointed at this machine still sends its own name (DNS rebinding)."""
    host = given.get(b"host", b"").decode("latin-1")
    if not is_loopback(_name_of(f"//{host}")):
        raise Forbidden(f"Host {host[:80]!r} is not this machine; a server on loopback answers to localhost alone")
    origin = given.get(b"origin")
    if origin is not None and not is_loopback(_name_of(origin.decode("latin-1"))):
        raise Forbidden(f"Origin {origin.decode('latin-1')[:80]!r} may not ask a server on loopback")


def _name_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _check_escapes(scope: Scope) -> None:
    """Wrong escapes would be read as U+FFFD, so that two addresses could become one."""
    for part in (scope.get("raw_path", b""), scope["query_string"]):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"{part[:80].decode('latin-1')!r}: its escapes are not UTF-8") from None
