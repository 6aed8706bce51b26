"""The HTTP application: which routes there are, what stands in front of them, and what becomes of their errors.

    request → guard (draining, host, token) → route → system
                 ↑ errors become problems (RFC 9457)

Made by `create_app` for a system that is initialized; served by `hosting/local.py`, or by any ASGI server.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from AgentOperatingSystem import __version__
from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.api import (
    actions,
    agents,
    alerts,
    approvals,
    archive,
    budgets,
    cards,
    chat,
    control,
    conversations,
    effects,
    health,
    knowledge,
    openapi,
    quarantine,
    schedules,
    stream,
    switches,
    traces,
    travel,
)
from AgentOperatingSystem.api.actions import PostAction
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.events import GetEvent, PostAnyEvent, PostEvent
from AgentOperatingSystem.api.guard import EVENTS_ROUTE, GITHUB, Guard
from AgentOperatingSystem.api.plain import PLAIN
from AgentOperatingSystem.api.traced import Traced
from AgentOperatingSystem.api.webhooks import GitHubWebhook

DESCRIPTION = "Perpetual agents: an event wakes one, is applied exactly once, and its results are published."
ROUTERS = (
    control.router,
    switches.router,
    traces.router,
    travel.router,
    chat.router,
    conversations.router,
    agents.router,
    cards.router,
    actions.router,
    schedules.router,
    quarantine.router,
    effects.router,
    alerts.router,
    approvals.router,
    archive.router,
    budgets.router,
    knowledge.router,
    stream.router,
    health.router,
)


class App(FastAPI):
    """FastAPI's routes behind the guard, which answers every error; nothing of FastAPI's own stands between."""

    doors: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self.doors(scope, receive, send)


def create_app(aos: AgentOperatingSystem, *, token: str) -> FastAPI:
    """The doors of `aos`, behind a bearer token. `app.state.door.drain()` has them refuse everything new."""
    door = Door(aos, token)
    app = App(
        title="Agent Operating System",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=_plain_routes(door),
    )
    app.state.door = door
    app.doors = Guard(AsyncExitStackMiddleware(app.router), door)
    for router in ROUTERS:
        app.include_router(router)
    app.add_route("/openapi.json", _show_description)
    app.add_route("/docs", _show_page)
    return app


def _plain_routes(door: Door) -> list[BaseRoute]:
    """The routes that are plain ASGI, the busiest first."""
    return [
        _event_route(EVENTS_ROUTE, PostEvent(door)),
        _event_route("/api/v1/agents/{name}/actions/{action}", PostAction(door)),
        Route("/api/v1/agents/{name}/events/{id:path}", GetEvent(door), methods=["GET"]),
        _event_route("/api/v1/events", PostAnyEvent(door)),
        _event_route(GITHUB, GitHubWebhook(door)),
    ]


def _event_route(path: str, app: ASGIApp) -> Route:
    """A way in for events: what the event does belongs to the trace of the request."""
    return Route(path, Traced(path, app), methods=["POST"])


def _description(app: Any) -> dict[str, Any]:
    return openapi.describe(app, PLAIN)


async def _show_description(request: Request) -> Response:
    return answer(_description(request.app))


async def _show_page(request: Request) -> Response:
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(openapi.page(_description(request.app)), headers=headers)
