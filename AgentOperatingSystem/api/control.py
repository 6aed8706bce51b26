"""`POST` of pause, resume, stop, start and terminate, and of an event's cancel. Control does not queue: it acts now."""

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.door import Door, Key, TheDoor
from AgentOperatingSystem.api.events import DEFAULT_SOURCE
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import Outcome, outcome_view

router = APIRouter(prefix="/api/v1/agents", tags=["control"])


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason, for people to read later."""

    reason: str = ""


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reason, and whether everything but the tombstone is deleted."""

    reason: str = ""
    delete: bool = False


class Controlled(msgspec.Struct, frozen=True):
    """The agent's state from now on."""

    agent: str
    state: str


@router.post("/{name}/terminate", **documented(Controlled, body=End))
async def terminate(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Ends an agent for good: it accepts nothing more, its subscriptions end, its parked events are cancelled.

    `delete` removes its state, history and memory too.
    """
    said = await read_json(request, End, door, empty=End())
    agent = door.address(name, key)
    door.check_writable(agent)
    await door.aos.deregister_agent(agent, delete=said.delete, reason=said.reason)
    return answer(Controlled(str(agent), await door.aos.lifecycle.state(agent)))


@router.post("/{name}/pause", **documented(Controlled, body=Why))
async def pause(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Pauses an agent: it finishes the turn that it is in, and keeps its mailbox."""
    return await _control(door, request, name, key, "pause")


@router.post("/{name}/resume", **documented(Controlled, body=Why))
async def resume(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Lets a paused agent go on with what is in its mailbox."""
    return await _control(door, request, name, key, "resume")


@router.post("/{name}/stop", **documented(Controlled, body=Why))
async def stop(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Stops an agent: the turn that it is in is broken off, uncommitted; it keeps its mailbox."""
    return await _control(door, request, name, key, "stop")


@router.post("/{name}/start", **documented(Controlled, body=Why))
async def start(door: TheDoor, request: Request, name: str, key: Key = "") -> Response:
    """Lets a stopped agent go on with what is in its mailbox."""
    return await _control(door, request, name, key, "start")


@router.post("/{name}/events/{event:path}/cancel", **documented(Outcome, body=Why))
async def cancel(
    door: TheDoor, request: Request, name: str, event: str, key: Key = "", source: str = DEFAULT_SOURCE
) -> Response:
    """Ends an event as cancelled, wherever it is: queued, parked, waiting, in doubt, or in a handler's hands, where it
    takes effect at the next step.
    """
    said = await read_json(request, Why, door, empty=Why())
    agent = door.address(name, key)
    door.check_recipient(agent)
    return answer(outcome_view(await door.aos.cancelling.cancel(agent, source, event, said.reason)))


async def _control(door: Door, request: Request, name: str, key: str, action: str) -> Response:
    said = await read_json(request, Why, door, empty=Why())
    agent = door.address(name, key)
    door.check_writable(agent)
    return answer(Controlled(str(agent), await door.aos.lifecycle.control(agent, action, said.reason)))
