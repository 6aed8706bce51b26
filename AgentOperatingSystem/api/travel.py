"""Time travel over HTTP: the difference between two moments of an agent, and a fork of it."""

from typing import Any

import msgspec
from fastapi import APIRouter, Query, Request, Response

from AgentOperatingSystem.api.answers import answer, answer_bytes
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.door import Key, TheDoor
from AgentOperatingSystem.api.events import DEFAULT_SOURCE
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import agent_location, when
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.history import Difference, Kept
from AgentOperatingSystem.orchestration.recordings import encode_recording, record
from AgentOperatingSystem.orchestration.travel import Diff

router = APIRouter(prefix="/api/v1/agents", tags=["time travel"])


class MomentView(msgspec.Struct, frozen=True):
    """A moment of an agent whose state is known."""

    version: int
    at: str | None
    event_key: str
    """The event that left it; empty where it is what an event found, or what is there now."""


class DiffView(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in a state."""

    agent: str
    before: MomentView
    after: MomentView
    changes: tuple[Difference, ...]


class ForkOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which event, and what the new agent is called."""

    event: str
    to: str
    """`name/key`, of the same type."""
    source: str = DEFAULT_SOURCE


class ForkView(msgspec.Struct, frozen=True, kw_only=True):
    """The new agent."""

    agent: str
    origin: str
    version: int
    memory: int
    conversations: int
    unknown: tuple[str, ...]
    """Memory that was changed later and not kept before: it is left out."""


@router.get("/{name}/diff", **documented(DiffView))
async def show_diff(
    door: TheDoor,
    name: str,
    key: Key = "",
    event: str = "",
    source: str = DEFAULT_SOURCE,
    before: int | None = Query(None, alias="from", ge=0, description="The older version."),
    after: int | None = Query(None, alias="to", ge=0, description="The newer version; now, where it is left out."),
) -> Response:
    """What an event has changed in its agent's state, or what changed between two versions."""
    agent = door.address(name, key)
    if bool(event) == (before is not None) or (event and after is not None):
        raise InvalidInput("name an event, or the version to begin `from` (and one to go `to`)")
    if event:
        return answer(_view(await door.aos.travel.diff_at(agent, source, event)))
    return answer(_view(await door.aos.travel.diff(agent, before or 0, after)))


@router.get("/{name}/recordings/{event:path}", **documented(Any))
async def show_recording(door: TheDoor, name: str, event: str, key: Key = "", source: str = DEFAULT_SOURCE) -> Response:
    """Everything that handling an event again needs: what it found, what its steps came to, what came of it."""
    agent = door.address(name, key)
    row = await door.aos.travel.event(agent, source, event)
    return answer_bytes(encode_recording(await record(door.aos.parts, agent, row)))


@router.post("/{name}/fork", **documented(ForkView, body=ForkOrder, status=201))
async def fork(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Makes a new agent of the same type from what an event has left: state, memory, conversations."""
    said = await read_json(request, ForkOrder, door)
    agent, target = door.address(name, key), AgentId.parse(said.to, door.config.tenant)
    door.check_writable(target)
    made = await door.aos.travel.fork(agent, said.source, said.event, target)
    view = ForkView(
        agent=str(made.agent),
        origin=str(made.origin),
        version=made.version,
        memory=made.memory,
        conversations=made.conversations,
        unknown=made.unknown,
    )
    return answer(view, 201, headers={"Location": agent_location(made.agent)})


def _view(diff: Diff) -> DiffView:
    return DiffView(agent=str(diff.agent), before=_moment(diff.before), after=_moment(diff.after), changes=diff.changes)


def _moment(kept: Kept) -> MomentView:
    return MomentView(kept.version, when(kept.at), kept.event)
