"""The guard: the first thing that a request meets. Draining, host and origin, escapes, token; then the routes; then
their errors.

A plain ASGI wrapper around the whole application, so that a route cannot be without it.
"""

import logging
from functools import lru_cache
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.events import PostEvent
from AgentOperatingSystem.api.problems import send_problem
from AgentOperatingSystem.api.traced import Traced
from AgentOperatingSystem.auth.principals import SHARED
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.errors import Draining, Forbidden, InvalidInput

LIVE = "/health/live"
GITHUB = "/webhooks/github"
_AGENTS = "/api/v1/agents/"
_EVENTS = "/events"
EVENTS_ROUTE = f"{_AGENTS}{{name}}{_EVENTS}"
RETRY_AFTER_DRAIN_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Guard:
    """Wraps an ASGI application."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._post_event = Traced(EVENTS_ROUTE, PostEvent(door))
        self._is_local = is_loopback(door.config.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
            short_cut = self._short_cut(scope)
            if short_cut is not None:
                await short_cut(scope, receive, send)
            else:
                await self._by_the_routes(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception as error:  # a short cut sends nothing before it is through, the routes raise nothing after
            await send_problem(send, error)

    async def _by_the_routes(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            if not started:
                raise
            _log.exception("%s %s failed in the middle of its answer", scope["method"], scope["path"])
            raise ClientDisconnect from None  # nothing more can be said; the server closes the connection

    def _short_cut(self, scope: Scope) -> ASGIApp | None:
        """The busiest of all routes, found without a look at the others."""
        path: str = scope["path"]
        if scope["method"] != "POST" or not path.startswith(_AGENTS) or not path.endswith(_EVENTS):
            return None
        name = path[len(_AGENTS) : -len(_EVENTS)]
        if not name or "/" in name:
            return None
        scope["path_params"] = {"name": name}
        return self._post_event

    def _check(self, scope: Scope) -> None:
        """Raises where the request is not to reach any route; leaves its headers, by name, in `scope["given"]`, and
        the caller in `scope["principal"]`.
        """
        path = scope["path"]
        given = scope["given"] = dict(scope["headers"])
        if path == LIVE:
            return
        if self._door.draining.is_set():
            raise Draining("the host is shutting down", RETRY_AFTER_DRAIN_SECONDS)
        if self._is_local and not (path == GITHUB and self._door.config.github_webhook_secret):
            _check_local(given)
        if b"%" in scope["query_string"] or b"%" in scope.get("raw_path", b""):
            _check_escapes(scope)
        scope["principal"] = SHARED if path == GITHUB else self._door.callers.of(given)


def _check_local(given: dict[bytes, bytes]) -> None:
    """A page whose name an attacker has pointed at this machine still sends its own name (DNS rebinding)."""
    host = given.get(b"host", b"")
    if not _is_near(b"//" + host):
        shown = host[:80].decode("latin-1")
        raise Forbidden(f"Host {shown!r} is not this machine; a server on loopback answers to localhost alone")
    origin = given.get(b"origin")
    if origin is not None and not _is_near(origin):
        raise Forbidden(f"Origin {origin[:80].decode('latin-1')!r} may not ask a server on loopback")


@lru_cache(maxsize=256)
def _is_near(url: bytes) -> bool:
    """Whether a URL's host is this machine's loopback."""
    try:
        return is_loopback(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False


def _check_escapes(scope: Scope) -> None:
    """Wrong escapes would be read as U+FFFD, so that two addresses could become one."""
    for part in (scope.get("raw_path", b""), scope["query_string"]):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            raise InvalidInput(f"{part[:80].decode('latin-1')!r}: its escapes are not UTF-8") from None
