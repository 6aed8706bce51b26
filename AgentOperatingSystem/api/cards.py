"""An agent's card, read from the code that this host has: JSON, or a page of Markdown."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Header, Response

from AgentOperatingSystem.agents.card import AgentCard, card_of, markdown
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.door import Door, Key, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import agent_location, schedule_view
from AgentOperatingSystem.ids import AgentId

router = APIRouter(prefix="/api/v1/agents", tags=["agents"])
MARKDOWN = "text/markdown"


@router.get("/{name}/card", **documented(AgentCard))
async def show_card(
    door: TheDoor,
    name: str,
    key: Key = "",
    format: Literal["json", "markdown"] | None = None,
    accept: str = Header("", include_in_schema=False),
) -> Response:
    """What the agent is for, can do and may do, from its code; with what it has scheduled.

    `format=markdown`, or `Accept: text/markdown`, for people.
    """
    card = await _card(door, door.address(name, key))
    if format == "markdown" or (format is None and MARKDOWN in accept):
        return Response(markdown(card), media_type=MARKDOWN)
    return answer(card)


async def _card(door: Door, agent: AgentId) -> AgentCard:
    """Raises `UnknownAgent` where this host has no code of it."""
    made = door.aos.registry.get(agent).make(agent)
    schedules = await door.aos.schedules.of(agent)
    return card_of(
        made,
        turn_timeout_seconds=door.config.turn_timeout_seconds,
        attempts_max=door.config.attempts_max,
        url=agent_location(agent),
        schedules=[msgspec.structs.asdict(schedule_view(agent, timer)) for timer in schedules],
    )
