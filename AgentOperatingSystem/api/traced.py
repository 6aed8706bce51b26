"""A door's request as a span of its caller's trace, and the traceparent that the event takes along from there."""

from starlette.types import ASGIApp, Receive, Scope, Send

from AgentOperatingSystem.api.bodies import Headers, header
from AgentOperatingSystem.observability import spans, tracing


class Traced:
    """A plain route within a span; where no spans are asked for, just the route."""

    def __init__(self, route: str, app: ASGIApp) -> None:
        self._route = route
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not tracing.is_on():
            await self._app(scope, receive, send)
            return
        with spans.receiving(scope["method"], self._route, header(scope["given"], b"traceparent")):
            await self._app(scope, receive, send)


def traceparent_of(headers: Headers) -> str:
    """The trace that an event of this request belongs to: the span of the request, else what its caller sent."""
    return tracing.traceparent() or header(headers, b"traceparent") or ""
