"""Agents that are ready for a turn, in two lines: those that somebody outside wants something of, and those whose
events other events have caused.

`Mailboxes` puts agents in and takes them out. The two lines take turns, so that a chain of causes, however much it
multiplies, holds up nobody else by more than a turn; and neither line starves. Within a line the registered types of
the tenants take turns (round robin), and of one type who came first, so that a type that floods has one share.

A turn that has begun is in everybody's way until its writes are done: the writer commits them together with, or
before, the next one from outside. So the second line begins no turn while many writes are under way: a few, as long as
others are about; a whole batch, where it is alone. It waits for `FRESH_IN_A_ROW_MAX` turns of the first at most. And
never do its turns, which may be long, take all the places that a host has.
"""

import math
from collections import deque
from collections.abc import Callable

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId

FRESH_IN_A_ROW_MAX = 8
WRITES_BESIDE_OTHERS_MAX = 4
WRITES_ALONE_MAX = 64
"""As many as one commit of the embedded store takes."""
ABOUT_SECONDS = 1.0
"""How long after their last turn others are still about."""


class Line:
    """One line: first come, first served within a type, and the types in turn."""

    def __init__(self) -> None:
        self._types: dict[tuple[str, str], deque[AgentId]] = {}
        """The agents of each type that has any, in the order of the round."""

    def add(self, agent: AgentId) -> None:
        """Puts an agent behind those of its type."""
        kind = (agent.tenant, agent.name)
        waiting = self._types.get(kind)
        if waiting is None:
            self._types[kind] = deque((agent,))
        else:
            waiting.append(agent)

    def take(self) -> AgentId:
        """The first agent of the type whose turn it is; that type comes last from now on."""
        kind = next(iter(self._types))
        waiting = self._types.pop(kind)
        agent = waiting.popleft()
        if waiting:
            self._types[kind] = waiting
        return agent

    def __bool__(self) -> bool:
        return bool(self._types)


class Lanes:
    """The two lines. `writes` says how many writes the store has under way, `now` the seconds of a clock that never
    goes back; `caused_turns_max` is how many turns of the second line there may be at a time.
    """

    def __init__(self, writes: Callable[[], int], now: Callable[[], float], caused_turns_max: int) -> None:
        self._caused_turns_max = caused_turns_max
        self._caused_turns: set[AgentId] = set()
        self._writes = writes
        self._now = now
        self._fresh = Line()
        self._caused = Line()
        self.last_was_caused = False
        """Whether the last turn was given to the second line."""
        self._fresh_in_a_row = 0
        self._fresh_at = -math.inf

    def add(self, agent: AgentId, first: Message) -> None:
        """Puts an agent into its line, which the first message of its mailbox decides. A bell is no cause."""
        is_caused = first.event is not None and first.event.hops > 0
        (self._caused if is_caused else self._fresh).add(agent)

    def take(self) -> AgentId | None:
        """Whose turn it is; None where nobody may have one now."""
        self.last_was_caused = not (self._fresh and self.last_was_caused) and self._caused_may()
        if self.last_was_caused:
            self._fresh_in_a_row = 0
            agent = self._caused.take()
            self._caused_turns.add(agent)
            return agent
        if not self._fresh:
            return None
        self._fresh_in_a_row += 1
        self._fresh_at = self._now()
        return self._fresh.take()

    def over(self, agent: AgentId) -> bool:
        """The agent's turn has ended; says whether another of the second line may begin because of that."""
        if agent not in self._caused_turns:
            return False
        self._caused_turns.remove(agent)
        return bool(self._caused)

    def _caused_may(self) -> bool:
        if not self._caused or len(self._caused_turns) >= self._caused_turns_max:
            return False
        if self._fresh and self._fresh_in_a_row >= FRESH_IN_A_ROW_MAX:
            return True
        are_about = bool(self._fresh) or self._now() - self._fresh_at < ABOUT_SECONDS
        return self._writes() < (WRITES_BESIDE_OTHERS_MAX if are_about else WRITES_ALONE_MAX)
