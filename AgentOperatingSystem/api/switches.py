"""Switches over HTTP: pause, stop and let go on a whole type of agents, or the tenant."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.control import Why
from AgentOperatingSystem.api.door import Door, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import when
from AgentOperatingSystem.errors import NotFound
from AgentOperatingSystem.orchestration.switches import Switch
from AgentOperatingSystem.storage.records import Control

router = APIRouter(prefix="/api/v1", tags=["control"])
Action = Literal["pause", "stop", "resume", "start"]


class SwitchView(msgspec.Struct, frozen=True):
    """A type of agents, or the tenant (empty `type`), and whether it runs."""

    type: str
    tenant: str
    state: str
    """`paused`, `stopped`, `active`, or `resuming` while those that were held are being woken."""
    reason: str
    since: str | None
    stale_seconds: float
    """How long it may take until every host has seen it."""


@router.get("/switches", **documented(page_of=SwitchView))
async def list_switches(door: TheDoor) -> Response:
    """What is held now."""
    tenant = door.config.tenant
    items = [_view(door, each, lifted="resuming") for each in await door.aos.switches.all(tenant)]
    return answer({"items": items, "after": ""})


@router.post("/types/{type}/{action}", **documented(SwitchView, body=Why))
async def switch_type(door: TheDoor, request: Request, type: str, action: Action) -> Response:
    """Pauses, stops or lets go on every agent of a type; `resume` and `start` are the same."""
    return await _turn(door, request, type, action)


@router.post("/tenants/{tenant}/{action}", **documented(SwitchView, body=Why))
async def switch_tenant(door: TheDoor, request: Request, tenant: str, action: Action) -> Response:
    """Pauses, stops or lets go on every agent of the tenant."""
    if tenant != door.config.tenant:
        raise NotFound(f"this system serves the tenant {door.config.tenant!r}, not {tenant[:80]!r}")
    return await _turn(door, request, "", action)


async def _turn(door: Door, request: Request, type: str, action: str) -> Response:
    said = await read_json(request, Why, door, empty=Why())
    return answer(_view(door, await door.aos.switches.turn(door.config.tenant, type, action, said.reason)))


def _view(door: Door, switch: Switch, lifted: str = "active") -> SwitchView:
    config = door.config
    state = lifted if switch.control is Control.ACTIVE else switch.control.value
    stale = config.subscriptions_refresh_seconds
    return SwitchView(switch.type, config.tenant, state, switch.reason, when(switch.since), stale)
