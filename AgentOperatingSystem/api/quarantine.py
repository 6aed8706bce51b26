"""The quarantine over HTTP: see what was put aside, send it again, edit it, drop it."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.control import Why
from AgentOperatingSystem.api.door import After, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import Outcome, outcome_view

router = APIRouter(prefix="/api/v1/quarantine", tags=["quarantine"])


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The payload that replaces the event's own."""

    data: Any


@router.get("", **documented(page_of=Outcome))
async def list_quarantined(door: TheDoor, limit: Limit = 100, after: After = "") -> Response:
    """What is quarantined, over all agents."""
    page = await door.aos.quarantine.list(door.config.tenant, after, limit)
    return answer({"items": [outcome_view(row) for row in page.items], "after": page.after})


@router.get("/{name}/{event_key}", **documented(Outcome))
async def show_quarantined(door: TheDoor, name: str, event_key: str, key: Key = "") -> Response:
    """One quarantined event."""
    return answer(outcome_view(await door.aos.quarantine.show(door.address(name, key), event_key)))


@router.post("/{name}/{event_key}/redrive", **documented(Outcome))
async def redrive(door: TheDoor, name: str, event_key: str, key: Key = "") -> Response:
    """Puts the event back into its mailbox with all its attempts; an unrouted one goes through the routes again."""
    return answer(outcome_view(await door.aos.quarantine.redrive(door.address(name, key), event_key)))


@router.post("/{name}/{event_key}/edit", **documented(Outcome, body=Edit))
async def edit(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Redrives the event with another payload."""
    said = await read_json(request, Edit, door)
    return answer(outcome_view(await door.aos.quarantine.redrive(door.address(name, key), event_key, said.data)))


@router.post("/{name}/{event_key}/drop", **documented(Outcome, body=Why))
async def drop(door: TheDoor, request: Request, name: str, event_key: str, key: Key = "") -> Response:
    """Ends the event as cancelled; it stays in the history."""
    said = await read_json(request, Why, door, empty=Why())
    return answer(outcome_view(await door.aos.quarantine.drop(door.address(name, key), event_key, said.reason)))
