"""Who calls, as the guard has found out, for the routes: whose decision something is, and who is behind an event."""

from collections.abc import Mapping
from typing import Any

import msgspec

from AgentOperatingSystem.agents.waiting import PRINCIPAL
from AgentOperatingSystem.auth.principals import Principal
from AgentOperatingSystem.events import Event


def caller_of(scope: Mapping[str, Any]) -> Principal:
    """The caller of a request."""
    found = scope["principal"]
    assert isinstance(found, Principal)
    return found


def signed(event: Event, caller: Principal) -> Event:
    """The event with the one who is behind it: the caller, unless he may speak for others and does."""
    said = str((event.extensions or {}).get(PRINCIPAL, ""))
    name = caller.who(said)
    if name == said:
        return event
    return msgspec.structs.replace(event, extensions={**(event.extensions or {}), PRINCIPAL: name})
