"""The HTTP side of the local Functions host: the admin API, the Event Grid webhook, and the app's own HTTP function.

Paths and shapes are those of the Azure Functions host. A request for the app goes to the worker's own web server, with
the id of the invocation that is begun beside it, and comes back as it streams.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.hosting.functions_host import payloads
from AgentOperatingSystem.hosting.functions_host.host import FunctionsHost
from AgentOperatingSystem.hosting.functions_host.records import Function, InvocationFailed, Payload

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
EVENT_GRID = "/runtime/webhooks/eventgrid"
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


def front(host: FunctionsHost) -> Starlette:
    """The application of one host."""
    made = Front(host)
    return Starlette(
        routes=[
            Route("/admin/host/status", made.status, methods=["GET"]),
            Route("/admin/functions", made.functions, methods=["GET"]),
            Route("/admin/functions/{name}", made.run, methods=["POST"]),
            Route(EVENT_GRID, made.event_grid, methods=["POST", "OPTIONS"]),
            Route("/{path:path}", made.http, methods=METHODS),
        ]
    )


class Front:
    """What each path does."""

    def __init__(self, host: FunctionsHost) -> None:
        self._host = host
        self._began = host.clock.now()
        self._client = httpx2.AsyncClient(
            timeout=None, transport=httpx2.AsyncHTTPTransport(retries=3), trust_env=False, follow_redirects=False
        )

    async def status(self, request: Request) -> Response:
        """`GET /admin/host/status`."""
        state = "Stopping" if self._host.draining.is_set() else "Running"
        up = int(1000 * (self._host.clock.now() - self._began))
        return JSONResponse(
            {"id": self._host.id, "state": state, "processUptime": up, "engine": self._host.engine.name}
        )

    async def functions(self, request: Request) -> Response:
        """`GET /admin/functions`."""
        found = self._host.functions.values()
        return JSONResponse([{"name": each.name, "config": {"bindings": list(each.bindings)}} for each in found])

    async def run(self, request: Request) -> Response:
        """`POST /admin/functions/{name}`: runs a function with `{"input": text, "triggerMetadata": {…}}`.

        Answers 202 when it has ended well, and 500 with what it raised: a test wants to know.
        """
        refused = _refused(request)
        if refused is not None:
            return refused
        function = self._host.functions.get(request.path_params["name"])
        if function is None or function.is_on("httpTrigger"):
            return _problem(404, "there is no such function that could be run from here")
        try:
            given = await request.json()
            text = given.get("input", "")
            text = text if isinstance(text, str) else json.dumps(text)
            trigger = str(function.trigger["type"]).lower()
            payload = payloads.manual(trigger, text, given.get("triggerMetadata", {}), self._host.clock.now())
        except (ValueError, AttributeError, TypeError):
            return _problem(400, 'the body is {"input": …, "triggerMetadata": {…}}')
        return await self._invoked(function, payload)

    async def event_grid(self, request: Request) -> Response:
        """Event Grid's deliveries, and both of its handshakes."""
        if request.method == "OPTIONS":  # CloudEvents 1.0, HTTP webhooks, section 4
            origin = request.headers.get("webhook-request-origin", "")
            return Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        function = self._host.functions.get(request.query_params.get("functionName", ""))
        if function is None or not function.is_on("eventGridTrigger"):
            return _problem(404, "functionName names no function with an Event Grid trigger")
        try:
            given = await request.json()
        except ValueError:
            return _problem(400, "the body is not JSON")
        events = given if isinstance(given, list) else [given]
        if request.headers.get("aeg-event-type", "").lower() == "subscriptionvalidation":
            return JSONResponse({"validationResponse": events[0]["data"]["validationCode"]})
        for event in events:
            answer = await self._invoked(function, payloads.event(event))
            if answer.status_code >= 400:
                return answer
        return Response(status_code=202)

    async def http(self, request: Request) -> Response:
        """Everything else is the app's."""
        function = next((each for each in self._host.functions.values() if each.is_on("httpTrigger")), None)
        if function is None or self._host.draining.is_set():
            return _problem(503 if function else 404, "the host is stopping" if function else "no function has HTTP")
        invocation_id = str(uuid4())
        payload = payloads.http(request.method, str(request.url))
        invocation = asyncio.create_task(self._host.invoke(function, payload, invocation_id))
        invocation.add_done_callback(_seen)
        try:
            answer = await self._client.send(self._forwarded(request, invocation_id), stream=True)
        except httpx2.HTTPError as error:
            invocation.cancel()
            return _problem(502, f"the worker's web server did not answer: {error}")
        made = StreamingResponse(_raw(answer), answer.status_code, background=BackgroundTask(_end, answer, invocation))
        made.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.lower().decode() not in HOP_BY_HOP
        ]
        return made

    def _forwarded(self, request: Request, invocation_id: str) -> httpx2.Request:
        target = request.scope["raw_path"] + (b"?" + request.scope["query_string"] if request.url.query else b"")
        worker = urlsplit(self._host.engine.http_address)
        url = httpx2.URL(scheme="http", host=worker.hostname or "", port=worker.port, raw_path=target)
        headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in HOP_BY_HOP]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        body: Any = request.stream() if has_body else None
        headers.append((b"x-ms-invocation-id", invocation_id.encode()))
        return self._client.build_request(request.method, url, headers=headers, content=body)

    async def _invoked(self, function: Function, payload: Payload) -> Response:
        try:
            await self._host.invoke(function, payload)
        except InvocationFailed as error:
            return _problem(500, str(error))
        return Response(status_code=202)


async def _raw(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """The body as it comes, compressed or not."""
    async for chunk in answer.aiter_raw():
        yield chunk


async def _end(answer: httpx2.Response, invocation: "asyncio.Task[None]") -> None:
    """The invocation ended before its answer began; one that did not was never asked for."""
    await answer.aclose()
    invocation.cancel()


def _seen(invocation: "asyncio.Task[None]") -> None:
    """A failure reached the caller through the worker's web server, as an answer."""
    if not invocation.cancelled():
        invocation.exception()


def _refused(request: Request) -> Response | None:
    """A page in a browser must not be able to run functions of a host on this machine."""
    origin = request.headers.get("origin")
    if origin is not None and not is_loopback(urlsplit(origin).hostname or ""):
        return _problem(403, "the admin API answers no page of another origin")
    if not request.headers.get("content-type", "").startswith("application/json"):
        return _problem(415, "send application/json")
    return None


def _problem(status: int, title: str) -> Response:
    content = {"type": "about:blank", "title": title, "status": status}
    return JSONResponse(content, status, media_type="application/problem+json")
