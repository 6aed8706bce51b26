"""Mailboxes in memory: what is queued for whom, FIFO per agent, one turn of an agent at a time. No I/O.

Used by the embedded bus (which keeps the messages in its file) and by the memory bus (which keeps them nowhere).
"""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import islice

import msgspec

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.lanes import Lanes
from AgentOperatingSystem.messaging.ports import Turn


class Mailboxes:
    """Queued messages and the agents that are ready for a turn."""

    def __init__(
        self, turn_events_max: int, writes: Callable[[], int] = lambda: 0, caused_turns_max: int = sys.maxsize
    ) -> None:
        self._turn_events_max = turn_events_max
        self._boxes: dict[AgentId, deque[Message]] = {}
        self._in_turn: dict[AgentId, Turn] = {}
        self._deliveries: dict[AgentId, int] = {}
        self._before: dict[str, int] = {}
        """How often a message was handed out elsewhere before it came here, by message id."""
        self._ready = Lanes(writes, _loop_time, caused_turns_max)
        self._bell: asyncio.Future[None] | None = None
        self._closed = False
        self.messages: dict[str, Message] = {}
        """Everything that is queued or in a turn, by message id."""

    def add(self, message: Message, before: int = 0) -> bool:
        """Queues a message behind those of its agent; False where one of the same id is here already.

        One that was handed out `before`, elsewhere, gets a turn of its own.
        """
        assert message.agent is not None
        if message.id in self.messages:
            return False
        self.messages[message.id] = message
        if before:
            self._before[message.id] = before
        box = self._boxes.get(message.agent)
        if box is None:
            self._boxes[message.agent] = deque((message,))
            if message.agent not in self._in_turn:
                self._make_ready(message.agent)
        else:
            box.append(message)
        return True

    async def turns(self) -> AsyncIterator[Turn]:
        """Turns of agents that are ready; ends after `close`."""
        while not self._closed:
            while not self._closed and (agent := self._ready.take()) is not None:
                yield self._take(agent)
                if self._ready.last_was_caused:
                    await asyncio.sleep(0)  # a flood of causes begins one turn at a time, so that others get between
            if self._closed:
                return
            self._bell = asyncio.get_running_loop().create_future()
            await self._bell

    def holds(self, turn: Turn) -> bool:
        """Whether this very handing out still has its agent; after `settle` or `release` it has not."""
        return self._in_turn.get(turn.agent) is turn

    def alone(self, turn: Turn) -> Turn:
        """The turn as one that is to run with nothing beside it."""
        alone = msgspec.structs.replace(turn, alone=True)
        if self.holds(turn):
            self._in_turn[turn.agent] = alone
        return alone

    def settle(self, receipts: Sequence[str]) -> None:
        """The messages of a turn are gone; their agent may have its next turn."""
        message: Message | None = None
        for receipt in receipts:
            message = self.messages.pop(receipt, None)
            if self._before:
                self._before.pop(receipt, None)
        if message is not None and message.agent is not None:
            self._deliveries.pop(message.agent, None)
            self._end(message.agent)

    def release(self, turn: Turn) -> None:
        """The turn's messages come first again, in the same order, and are known to have been handed out before."""
        self._boxes.setdefault(turn.agent, deque()).extendleft(reversed(turn.messages))
        self._deliveries[turn.agent] = turn.deliveries
        self._end(turn.agent)

    def close(self) -> None:
        """No further turn is handed out."""
        self._closed = True
        self.ring()

    def __len__(self) -> int:
        return len(self.messages)

    def _take(self, agent: AgentId) -> Turn:
        box = self._boxes[agent]
        room = self._room(box) if self._before else self._turn_events_max
        if len(box) <= room:
            del self._boxes[agent]
            messages = tuple(box)
        else:
            messages = tuple(box.popleft() for _ in range(room))
        receipts = tuple([message.id for message in messages])
        before = max(self._deliveries.get(agent, 0), self._before.get(receipts[0], 0))
        turn = Turn(agent, messages, receipts, before + 1)
        self._in_turn[agent] = turn
        return turn

    def _room(self, box: deque[Message]) -> int:
        """How many messages the next turn has: one that was handed out elsewhere is alone in it."""
        for number, message in enumerate(islice(box, self._turn_events_max)):
            if message.id in self._before:
                return number or 1
        return self._turn_events_max

    def _end(self, agent: AgentId) -> None:
        self._in_turn.pop(agent, None)
        if agent in self._boxes:
            self._make_ready(agent)
        if self._ready.over(agent):
            self.ring()

    def _make_ready(self, agent: AgentId) -> None:
        self._ready.add(agent, self._boxes[agent][0])
        self.ring()

    def ring(self) -> None:
        """Looks again who may have a turn: fewer writes may be under way now."""
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
