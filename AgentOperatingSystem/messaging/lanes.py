"""Agents that are ready for a turn, in two lines: those that somebody outside wants something of, and those whose
events other events have caused.

`Mailboxes` puts agents in and takes them out. The two lines take turns, each first come, first served, so that a chain
of causes, however much it multiplies, holds up nobody else by more than a turn; and neither line starves. While the
store has more to write than it gets done, the second line waits, because its writes would stand before everybody's next
one; but not for more than `FRESH_IN_A_ROW_MAX` turns of the first.
"""

from collections import deque
from collections.abc import Callable

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId

FRESH_IN_A_ROW_MAX = 8


class Lanes:
    """The two lines."""

    def __init__(self, is_full: Callable[[], bool]) -> None:
        self._is_full = is_full
        self._fresh: deque[AgentId] = deque()
        self._caused: deque[AgentId] = deque()
        self.last_was_caused = False
        """Whether the last turn was given to the second line."""
        self._fresh_in_a_row = 0

    def add(self, agent: AgentId, first: Message) -> None:
        """Puts an agent at the end of its line, which the first message of its mailbox decides. A bell is no cause."""
        is_caused = first.event is not None and first.event.hops > 0
        (self._caused if is_caused else self._fresh).append(agent)

    def take(self) -> AgentId | None:
        """Whose turn it is; None where nobody may have one now."""
        self.last_was_caused = not (self._fresh and self.last_was_caused) and self._caused_may()
        if self.last_was_caused:
            self._fresh_in_a_row = 0
            return self._caused.popleft()
        self._fresh_in_a_row += 1
        return self._fresh.popleft() if self._fresh else None

    def _caused_may(self) -> bool:
        has_waited = bool(self._fresh) and self._fresh_in_a_row >= FRESH_IN_A_ROW_MAX
        return bool(self._caused) and (has_waited or not self._is_full())
