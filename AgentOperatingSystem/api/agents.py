"""What can be read of agents: the list, one of them, its state, history, mailbox and memory."""

from typing import Any

import msgspec
from fastapi import APIRouter, Header, Response

from AgentOperatingSystem.api.answers import answer, answer_bytes
from AgentOperatingSystem.api.door import SYSTEM, After, Door, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import (
    AgentDetail,
    AgentView,
    Outcome,
    agent_view,
    outcome_view,
    schedule_view,
    type_view,
)
from AgentOperatingSystem.errors import NotFound
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.lifecycle import known_or_raise
from AgentOperatingSystem.storage.records import Head, Page, Status

router = APIRouter(prefix="/api/v1/agents", tags=["agents"])


@router.get("", **documented(page_of=AgentView))
async def list_agents(
    door: TheDoor, prefix: str = "", limit: Limit = 100, after: After = "", system: bool = False
) -> Response:
    """Agents that were woken at least once, by address, and all registered types.

    `prefix` is the beginning of `name/key`. `system` shows the system's own agents too.
    """
    page = await _heads(door, prefix, after, limit, system)
    kinds = [kind for kind in door.aos.registry.types() if system or not kind.name.startswith(SYSTEM)]
    config = door.config
    types = [type_view(kind, config.turn_timeout_seconds, config.attempts_max) for kind in kinds]
    return answer({"items": [_view(door, head) for head in page.items], "after": page.after, "types": types})


@router.get("/{name}", **documented(AgentDetail))
async def show_agent(door: TheDoor, name: str, key: Key = "") -> Response:
    """One agent, with its type and its schedules. One of a registered type that was never woken is `created`."""
    agent = door.address(name, key)
    found = await door.aos.parts.store.load(agent)
    kind = next((kind for kind in door.aos.registry.types() if kind.name == name), None)
    known_or_raise(agent, found is not None or kind is not None)
    view = _view(door, found[0] if found else Head(agent=agent))
    schedules = await door.aos.schedules.of(agent)
    config = door.config
    detail = AgentDetail(
        **{field: getattr(view, field) for field in view.__struct_fields__},
        type=type_view(kind, config.turn_timeout_seconds, config.attempts_max) if kind else None,
        schedules=tuple(schedule_view(agent, timer) for timer in schedules),
    )
    return answer(detail)


@router.get("/{name}/state", **documented(Any))
async def show_state(
    door: TheDoor, name: str, key: Key = "", if_none_match: str = Header("", include_in_schema=False)
) -> Response:
    """The state as the last commit left it; its ETag is the agent's version."""
    server = await _known(door, name, key)
    etag = f'"{server.etag}"'
    if etag in [given.strip().removeprefix("W/") for given in if_none_match.split(",")]:
        return Response(status_code=304, headers={"ETag": etag})
    return answer_bytes(await server.state_bytes() or b"null", headers={"ETag": etag})


@router.get("/{name}/history", **documented(page_of=Outcome))
async def show_history(
    door: TheDoor, name: str, key: Key = "", status: Status | None = None, limit: Limit = 100, after: After = ""
) -> Response:
    """The agent's events, in the order of their last change; its control operations are among them."""
    server = await _known(door, name, key)
    page = await door.aos.parts.store.events(server.agent, status, after, limit)
    return answer({"items": [outcome_view(row) for row in page.items], "after": page.after})


@router.get("/{name}/mailbox", **documented(page_of=Outcome))
async def show_mailbox(door: TheDoor, name: str, key: Key = "", limit: Limit = 100) -> Response:
    """What is parked, first in line first: it waits for its next try, or for the agent to be resumed."""
    server = await _known(door, name, key)
    rows = await door.aos.parts.store.parked(server.agent, float("inf"), limit + 1)
    return answer({"items": [outcome_view(row) for row in rows[:limit]], "more": len(rows) > limit})


@router.get("/{name}/memory", **documented(page_of=dict[str, Any]))
async def list_memory(
    door: TheDoor, name: str, key: Key = "", prefix: str = "", limit: Limit = 100, after: After = ""
) -> Response:
    """What the agent remembers, by key; `prefix` is the beginning of the key."""
    server = await _known(door, name, key)
    page = await door.aos.parts.store.rows(server.agent, "memory", prefix, after, limit)
    items = [{"key": row.name, "value": msgspec.Raw(row.value)} for row in page.items if row.value is not None]
    return answer({"items": items, "after": page.after})


@router.get("/{name}/memory/{mkey:path}", **documented(Any))
async def show_memory(door: TheDoor, name: str, mkey: str, key: Key = "") -> Response:
    """What the agent remembers under one key."""
    server = await _known(door, name, key)
    value = await door.aos.parts.store.row(server.agent, "memory", mkey)
    if value is None:
        raise NotFound(f"{server.agent} remembers nothing under {mkey[:80]!r}")
    return answer_bytes(value)


async def _known(door: Door, name: str, key: str) -> ContextMCPServer:
    """The context server of an agent that was woken at least once. Raises `UnknownAgent`."""
    server = await door.aos.kernel.awaken_fresh(door.address(name, key))
    known_or_raise(server.agent, bool(server.etag))
    return server


async def _heads(door: Door, prefix: str, after: str, limit: int, system: bool) -> Page[Head]:
    """One page of heads; without the system's own it may be a short one."""
    page = await door.aos.parts.store.agents(door.config.tenant, prefix, after, limit)
    if system:
        return page
    return Page(tuple(head for head in page.items if not head.agent.name.startswith(SYSTEM)), page.after)


def _view(door: Door, head: Head) -> AgentView:
    registered = any(kind.name == head.agent.name for kind in door.aos.registry.types())
    held = door.aos.parts.switches.why(head.agent)
    return agent_view(head, running=door.aos.kernel.watch.is_running(head.agent), registered=registered, held=held)
