"""Events as applications give them: plain dicts, checked."""

from typing import Any

import msgspec

from AgentOperatingSystem.errors import InvalidEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId


def event_from(fields: dict[str, Any], tenant: str) -> Event:
    """An event from a plain dict; `agent` as `name/key`. Raises `InvalidEvent` and names what is wrong."""
    agent = fields.get("agent")
    named = {**fields, "tenant": tenant} | ({"agent": AgentId.parse(agent, tenant)} if isinstance(agent, str) else {})
    unknown = sorted(set(named) - set(Event.__struct_fields__))
    if unknown or "type" not in named:
        what = f"unknown field {unknown[0]!r}" if unknown else "'type' is missing"
        raise InvalidEvent(f"{what}; an event has the fields {', '.join(Event.__struct_fields__)}")
    try:
        return msgspec.convert(named, Event)
    except msgspec.ValidationError as error:
        raise InvalidEvent(str(error)) from None
