"""The broker of a simulated world: one memory bus that all hosts share, with what brokers do to messages.

Locks are lost while their holder is still at work, turns are handed out twice, redelivered messages come behind newer
ones. It also keeps what the judge asks for: which publications it saw, and whether anything left that no commit had
recorded.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.messaging.mailboxes import Mailboxes
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.proof.simulator.faults import Faults, Journal
from AgentOperatingSystem.proof.simulator.host import Host
from AgentOperatingSystem.proof.simulator.observed import Observations
from AgentOperatingSystem.proof.simulator.plan import Plan

CONNECTION_LOST_SECONDS = 5.0
"""How long a broker may take to notice that a host died."""


class Unordered(Mailboxes):
    """Mailboxes of a broker without sessions: what is delivered again comes behind what came meanwhile."""

    def __init__(self, turn_events_max: int, faults: Faults) -> None:
        super().__init__(turn_events_max)
        self._faults = faults

    def release(self, turn: Turn) -> None:
        if not self._faults.at_turn("reorder"):
            super().release(turn)
            return
        self._faults.struck("reorder", "bus.redeliver", turn.agent)
        behind = list(turn.messages)
        self._faults.rng.shuffle(behind)
        self._boxes.setdefault(turn.agent, deque()).extend(behind)
        self._deliveries[turn.agent] = turn.deliveries
        self._end(turn.agent)


class Broker:
    """Hands turns to whichever host asks, and lets faults befall them."""

    def __init__(self, bus: MemoryBus, faults: Faults, journal: Journal, seen: Observations, plan: Plan) -> None:
        self._detects_duplicates = plan.duplicate_window_seconds > 0
        self.bus = bus
        self.seen = seen
        self._faults = faults
        self._journal = journal
        self._asking: list[tuple[Host, asyncio.Future[Turn]]] = []
        self._asked = asyncio.Event()
        self._accepted = 0
        self._repeating: dict[asyncio.Task[None], None] = {}
        self._carried_as: dict[str, list[str]] = {}
        """The ids under which a broker that detects no duplicates carries a message."""

    # --- what hosts ask for --------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        """Accepts messages, and remembers them for the judge."""
        for message in messages:
            self.seen.sent(message)
            self._journal.write("bus", "send", message.kind, message.id[26:32], message.agent)
        await self.bus.send(messages if self._detects_duplicates else [self._as_new(message) for message in messages])

    async def settle(self, turn: Turn) -> None:
        """Consumes a turn, where its lock holds still."""
        self._journal.write("bus", "settle", turn.agent, self.bus.holds(turn))
        await self.bus.settle(turn)

    async def release(self, turn: Turn, after_seconds: float) -> None:
        """Gives a turn back."""
        await self.bus.release(turn, after_seconds)

    def find(self, message_id: str) -> Message | None:
        """A message that nobody has consumed yet."""
        carried = (self.bus.waiting(each) for each in (message_id, *self._carried_as.get(message_id, ())))
        return next((message for message in carried if message is not None), None)

    async def next(self, host: Host) -> Turn:
        """The next turn for `host`."""
        future: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._asking.append((host, future))
        self._asked.set()
        return await future

    def crashed(self, host: Host) -> None:
        """The host's connection is gone: sooner or later its turns are delivered again."""
        for turn in host.turns:
            if self.bus.holds(turn):
                seconds = self._faults.rng.random() * CONNECTION_LOST_SECONDS
                asyncio.get_running_loop().call_later(seconds, self.bus.expire, turn)

    def _as_new(self, message: Message, mark: str = "") -> Message:
        """A broker without duplicate detection does not even notice that it carries the same message already."""
        self._accepted += 1
        own, name = message.id.partition("#")[0], f"{message.id}#{mark}{self._accepted}"
        self._carried_as.setdefault(own, []).append(name)
        return msgspec.structs.replace(message, id=name)

    def _may_repeat(self, message: Message) -> bool:
        """Most of what is not a repetition itself: otherwise the flood would never end."""
        return "#copy" not in message.id and self._faults.rng.random() < 0.7

    # --- handing out ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hands out turns until it is cancelled."""
        async for turn in self.bus.turns():
            await self._hand(turn)
            self._befall(turn)

    async def _hand(self, turn: Turn) -> None:
        host, future = await self._somebody()
        host.turns = [held for held in host.turns if self.bus.holds(held)]
        host.turns.append(turn)
        self._journal.write("bus", "turn", turn.agent, len(turn.messages), turn.deliveries, host)
        future.set_result(turn)

    async def _somebody(self) -> tuple[Host, asyncio.Future[Turn]]:
        """One of those who ask, by chance."""
        while True:
            self._asking = [(host, future) for host, future in self._asking if not future.done()]
            if self._asking:
                return self._asking.pop(self._faults.rng.randrange(len(self._asking)))
            self._asked.clear()
            await self._asked.wait()

    def _befall(self, turn: Turn) -> None:
        """What is to happen to a turn that was just handed out."""
        loop, rng = asyncio.get_running_loop(), self._faults.rng
        if self._faults.at_turn("lost_lock"):
            loop.call_later(rng.random() * rng.choice((0.05, 0.2, 5.0)), self._lose, turn)
        if self._faults.at_turn("duplicate"):
            seconds = rng.random() * rng.choice((0.05, 1.0, 60.0))
            task = asyncio.create_task(self._repeat(turn, seconds))
            self._repeating[task] = None
            task.add_done_callback(self._repeating.pop)

    def _lose(self, turn: Turn) -> None:
        if self._faults.active and self.bus.holds(turn):
            self._faults.struck("lost_lock", "bus.lock", turn.agent)
            self.bus.expire(turn)

    async def _repeat(self, turn: Turn, seconds: float) -> None:
        """Some of a turn's messages come once more, as messages of their own."""
        await asyncio.sleep(seconds)
        copies = [self._as_new(message, "copy") for message in turn.messages if self._may_repeat(message)]
        if copies and self._faults.active:
            self._faults.struck("duplicate", "bus.redeliver", turn.agent)
            await self.bus.send(copies)
