"""Which conversations of an agent belong to one event, and what goes on when one is free again. Pure.

A part of `Work`: an event that waits, or is to be tried again with steps behind it, owns its conversation (where order
is strict, all of them), so that what it had heard stays true. What comes meanwhile is held.
"""

from collections.abc import Iterable

from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import EventRow, Head

HELD = "its conversation waits for an answer"
EVERY = "*"
"""Stands among the conversations that wait where all do: the agent's order is strict."""
FREED_MAX = 40
"""How many events go on in one commit; a store's transaction holds 100 rows."""


class Conversations:
    """Those of one turn of one agent."""

    def __init__(self, head: Head, strict: bool) -> None:
        self.waiting = head.waiting
        self.freeing = head.freeing
        self._strict = strict
        self._resumed: set[str] = set()
        """Those of events that go on after this turn."""

    def of(self, event: Event) -> str:
        """The conversation that the event would own."""
        return EVERY if self._strict else event.conversation

    def own(self, event: Event) -> None:
        """The event's conversation is its own until it goes on."""
        if self.of(event) not in self.waiting:
            self.waiting = (*self.waiting, self.of(event))

    def holds(self, event: Event) -> bool:
        """Whether the event's conversation belongs to another."""
        return _has(self.waiting, event)

    def is_freeing(self, event: Event) -> bool:
        """Whether earlier events of its conversation are still held, though that is free."""
        return _has(self.freeing, event)

    def goes_on(self, event: Event) -> None:
        """What comes of the event's conversation in this turn comes after it."""
        if self.holds(event):
            self._resumed.add(event.conversation)

    def comes_after(self, event: Event) -> bool:
        """Whether another event of its conversation goes on first."""
        return bool(self._resumed) and (self._strict or event.conversation in self._resumed)

    def freed(self, owned: str, rows: Iterable[EventRow], *, crowded: bool) -> list[EventRow]:
        """The conversation is free: those that go on first of what it held, as many as fit one commit. Where there are
        more, or may be (`crowded`), the next part goes on after them.
        """
        self.waiting = tuple(each for each in self.waiting if each != owned)
        found = [row for row in rows if row.reason == HELD and (owned == EVERY or row.event.conversation == owned)]
        freed = sorted(found, key=lambda row: (row.order, row.key))[:FREED_MAX]
        others = tuple(each for each in self.freeing if each != owned)
        self.freeing = (*others, owned) if crowded or len(found) > len(freed) else others
        return freed


def _has(conversations: tuple[str, ...], event: Event) -> bool:
    return bool(conversations) and (EVERY in conversations or event.conversation in conversations)
