"""HTTP under Azure Functions: the worker's own web server, in front of an application that speaks ASGI.

`function_app.py` names `Request` and `Answer` as the types of its HTTP function; that alone makes the Functions runtime
send HTTP through the server here, as it streams, instead of as one message per request and answer. The runtime finds
`WebApp` and `WebServer` by the module of these classes (azurefunctions-extensions-base, `web.py`): it starts the
server, has each request wait for the invocation that the host announces beside it, and sends what the function
returned. Why this mode: docs/decisions/0400-functions-http-streams.md.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any

from azurefunctions.extensions import base  # type: ignore[import-untyped]  # the SDK has no types

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
_SERVER: dict[str, Any] = {
    "interface": "asgi3",
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,  # the host before us says who asked; the doors take nobody's word for it
    "server_header": False,
    "date_header": False,
}
_log = logging.getLogger(__name__)


class Request:
    """A request that reached the worker's server: its headers, for the runtime; all else goes to the application."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        """By lower-case name."""


class Answer:
    """What the HTTP function returns: the application that will answer the request."""

    def __init__(self, app: Asgi) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class _NoRouteParams(base.RequestSynchronizer):  # type: ignore[misc]  # the SDK has no types
    """The application reads the path itself."""

    def sync_route_params(self, request: Any, path_params: Any) -> None:
        """Nothing is taken over from the host's reading of the route."""


class _RequestType(metaclass=base.RequestTrackerMeta):  # type: ignore[metaclass]  # the SDK has no types
    request_type = Request
    synchronizer = _NoRouteParams()


class _AnswerType(metaclass=base.ResponseTrackerMeta):  # type: ignore[metaclass]  # the SDK has no types
    label = base.ResponseLabels.STREAMING
    response_type = Answer


class WebApp(base.WebApp):  # type: ignore[misc]  # the SDK has no types
    """One handler for every request: the runtime's, which waits for the invocation and answers what it returned."""

    _handler: Callable[[Request], Awaitable[Answer]]

    def route(self, func: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Answer]]:
        """Takes the handler; the runtime calls this once."""
        self._handler = func
        return func

    def get_app(self) -> Asgi:
        """The ASGI application that the server serves."""
        return self._serve

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._handler(Request(headers))
        except Exception as error:
            _log.warning("%s %s: the invocation failed: %r", scope["method"], scope["path"], error)
            await _fail(send)
            return
        await answer(scope, receive, send)


class WebServer(base.WebServer):  # type: ignore[misc]  # the SDK has no types
    """uvicorn on the address that the runtime chose, within the worker's event loop."""

    async def serve(self) -> None:
        """Serves until the worker ends. Signals are left to the worker."""
        import uvicorn

        class Server(uvicorn.Server):
            def capture_signals(self) -> Any:
                return nullcontext()

        await Server(uvicorn.Config(self.web_app, self.hostname, self.port, **_SERVER)).serve()


async def _fail(send: Send) -> None:
    """The function raised before there was an application to answer."""
    body = b'{"type":"about:blank","title":"the request could not be handled; the log says why","status":500}'
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": body})
