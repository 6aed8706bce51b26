"""Whether the host lives, whether it can work, and its metrics (specification rows 208, 217 and 245)."""

import asyncio
import time

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.door import Door, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.observability.document import MetricView, document
from AgentOperatingSystem.observability.resources import sample_resources

router = APIRouter(tags=["health"])
READY_SECONDS_MAX = 5.0


class Live(msgspec.Struct, frozen=True):
    """The event loop turns."""

    status: str = "live"


class Ready(msgspec.Struct, frozen=True):
    """The store took a write and gave it back."""

    store_milliseconds: float
    status: str = "ready"


@router.get("/health/live", **documented(Live))
async def live() -> Response:
    """Answers while the event loop turns; needs no token."""
    return answer(Live())


@router.get("/health/ready", **documented(Ready))
async def ready(door: TheDoor) -> Response:
    """Writes to the store and reads it again; 503 with the reason where that fails or takes too long."""
    began = time.perf_counter()
    try:
        await asyncio.wait_for(_ask_the_store(door), READY_SECONDS_MAX)
    except TimeoutError:
        raise StoreUnavailable(f"the store did not answer within {READY_SECONDS_MAX:g} s") from None
    return answer(Ready(round((time.perf_counter() - began) * 1000, 3)))


@router.get("/metrics", **documented(str, media="text/plain"))
async def show_metrics(door: TheDoor) -> Response:
    """The metrics of this process, as Prometheus reads them."""
    sample_resources(door.aos.bus.pending())
    return Response(metrics.prometheus_text(), media_type=metrics.PROMETHEUS_CONTENT_TYPE)


@router.get("/api/v1/system/metrics", **documented(page_of=MetricView))
async def show_system_metrics(door: TheDoor, request: Request) -> Response:
    """The metrics of this process as JSON, or as Prometheus text where `Accept` prefers `text/plain`."""
    if request.headers.get("accept", "").startswith("text/plain"):
        return await show_metrics(door)
    sample_resources(door.aos.bus.pending())
    return answer({"items": document(metrics.registry), "after": ""})


async def _ask_the_store(door: Door) -> None:
    """A commit of its own, in a partition of its own."""
    server = door.aos.context_server(AgentId("aos.health", "", door.config.tenant))
    asked_at = door.aos.clock.now()
    await server.remember("ready", asked_at)
    if await server.recall("ready") is None:
        raise StoreUnavailable("the store has lost what was written to it a moment ago")
