"""Export and import of one agent: state is yours."""

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer, answer_bytes
from AgentOperatingSystem.api.bodies import check_json, decode, read_body
from AgentOperatingSystem.api.door import Door, Key, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import agent_location
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.archive import Archive

router = APIRouter(prefix="/api/v1", tags=["archive"])
HISTORY_BYTES_MAX = 256 << 20
"""What an exported agent may have in events and memory, beyond its state."""


class Imported(msgspec.Struct, frozen=True):
    """The agent that exists from now on."""

    agent: str


class _Head(msgspec.Struct):
    agent: AgentId


class _Document(msgspec.Struct):
    """The part of a document that says whose it is."""

    head: _Head


@router.get("/agents/{name}/export", **documented(Archive))
async def export_agent(door: TheDoor, name: str, key: Key = "") -> Response:
    """Everything of an agent as of one version, as one document."""
    archive = await door.aos.archive.export(door.address(name, key))
    return answer_bytes(msgspec.json.encode(archive))


@router.post("/import", **documented(Imported, body=Archive, status=201))
async def import_agent(door: TheDoor, request: Request, agent: str = "") -> Response:
    """Makes the agent of a document exist here, or `agent` (`name/key`) from it. It must not exist yet."""
    headers = dict(request.headers.raw)
    check_json(headers)
    body = await read_body(headers, request.receive, _bytes_max(door))
    target = door.aos.address(agent) if agent else _named(door, body)
    door.check_writable(target)
    made = await door.aos.archive.import_(body, target)
    return answer(Imported(str(made)), 201, {"Location": agent_location(made)})


def _named(door: Door, body: bytes) -> AgentId:
    """The address that the document itself names, in the configured tenant."""
    agent = decode(body, _Document).head.agent
    return door.address(agent.name, agent.key)


def _bytes_max(door: Door) -> int:
    """A state in base64, and the rest."""
    return door.config.state_bytes_max * 4 // 3 + HISTORY_BYTES_MAX
