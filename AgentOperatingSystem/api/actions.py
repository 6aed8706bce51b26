"""Actions by name: what an agent's type declares, and the way to have one done. An action is an event, so its sender
gets the same answers as for every event, and asks for its outcome in the same place.
"""

from typing import Any

import msgspec
from fastapi import APIRouter, Response
from starlette.types import Receive, Scope, Send

from AgentOperatingSystem.agents.actions import DeclaredAction
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import check_json, decode, header, read_body
from AgentOperatingSystem.api.callers import caller_of
from AgentOperatingSystem.api.door import Door, TheDoor
from AgentOperatingSystem.api.events import DEFAULT_SOURCE, new_id
from AgentOperatingSystem.api.intake import query, take_in, wait_seconds
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.traced import traceparent_of
from AgentOperatingSystem.errors import InvalidInput, NotFound
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

router = APIRouter(prefix="/api/v1/agents", tags=["actions"])


class ActionView(msgspec.Struct, frozen=True):
    """An action of an agent's type."""

    name: str
    description: str
    type: str
    """The type of the event that runs it."""
    parameters: dict[str, Any]
    """The JSON schema of its input."""


@router.get("/{name}/actions", **documented(page_of=ActionView))
async def list_actions(door: TheDoor, name: str) -> Response:
    """What agents of this type can be told to do by name, with the schema of each action's input."""
    declared = door.aos.registry.get(door.address(name)).actions.values()
    return answer({"items": [ActionView(each.name, each.description, each.type, each.parameters) for each in declared]})


class PostAction:
    """`POST /api/v1/agents/{name}/actions/{action}`: the input is checked before anything is accepted."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door, parameters, headers = self._door, query(scope), scope["given"]
        agent = door.address(scope["path_params"]["name"], parameters.get("key", ""))
        seconds, action = wait_seconds(parameters), self._action(agent, scope["path_params"]["action"])
        check_json(headers)
        body = await read_body(headers, receive, door.body_bytes_max)
        given = decode(body, dict[str, Any], depth_max=door.config.event_depth_max) if body else {}
        action.checked(given)
        event = Event(
            type=action.type,
            source=parameters.get("source") or DEFAULT_SOURCE,
            id=_id_of(parameters.get("id", ""), header(headers, b"idempotency-key")),
            data=given,
            agent=agent,
            tenant=door.config.tenant,
            traceparent=traceparent_of(headers),
        )
        await take_in(door, event, seconds, send, caller_of(scope))

    def _action(self, agent: AgentId, name: str) -> DeclaredAction:
        """Raises `UnknownAgent`, `NotFound`."""
        actions = self._door.aos.registry.get(agent).actions
        if name not in actions:
            raise NotFound(f"{agent} has no action {name[:80]!r}; there are {', '.join(actions) or 'none'}")
        return actions[name]


def _id_of(given: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return given or new_id()
    if given and given != idempotency_key:
        raise InvalidInput(f"Idempotency-Key {idempotency_key[:80]!r} and id={given[:80]!r} differ")
    return idempotency_key
