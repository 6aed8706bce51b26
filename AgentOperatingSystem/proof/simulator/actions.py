"""What an event's handler is to do, as data: lists that begin with the name of an action. Pure."""

from collections.abc import Iterator
from typing import Any

from AgentOperatingSystem.events import Event

Action = list[Any]


def actions_of(event: Event) -> list[Action]:
    """What an event's handler is to do."""
    return event.data.get("do", []) if isinstance(event.data, dict) else []


def flat(actions: list[Action]) -> Iterator[Action]:
    """All actions, at whatever depth."""
    for action in actions:
        if action[0] == "all":
            for branch in action[1]:
                yield from flat(branch)
        else:
            yield action


def changes_its_mind(event: Event) -> bool:
    """Whether an event's handler wants something else at each try."""
    return any(action[0] == "approved" and action[4] for action in flat(actions_of(event)))
