"""Every `MessageBus` against a model: FIFO per agent, one turn of an agent at a time, nothing early, nothing lost.

The sequences follow from the code of this file alone (`derandomize`), and time moves only where a rule moves it.
"""

import asyncio
import shutil
import tempfile
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.ports import MessageBus, Turn
from tests.clocks import EPOCH, ManualLoop, settle
from tests.contract.conftest import BUSES
from tests.contract.machines import bounded
from tests.contract.samples import message

AGENTS = (AgentId("a"), AgentId("b"), AgentId("b", "k"))
TURN_EVENTS_MAX = 3
agents = st.sampled_from(AGENTS)
waits = st.sampled_from((0.0, 0.0, 0.0, 5.0, 5.0, 60.0, -5.0))


@dataclass
class Mailbox:
    """What an agent has with the broker."""

    queue: deque[Message] = field(default_factory=deque)
    """What is due and not in a turn, in the order in which it has to come."""
    turn: Turn | None = None
    deliveries: int = 0
    """How often the messages at the head of the queue were handed out."""
    resting: tuple[float, Turn] | None = None
    """A turn that was released for later, with the time when it comes again."""


class BusMachine(RuleBasedStateMachine):
    """A broker, and lists that say what it must do next."""

    open_bus: Any

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=ManualLoop)
        self.folder = Path(tempfile.mkdtemp(prefix="aos-contract-"))
        self.stack = AsyncExitStack()
        self.boxes = {agent: Mailbox() for agent in AGENTS}
        self.scheduled: list[tuple[float, int, Message]] = []
        self.sent = 0
        self.settled: set[str] = set()
        self.given_out: deque[Turn] = deque()
        self.runner.run(self._open())

    async def _open(self) -> None:
        opened = type(self).open_bus(self.folder, lambda event: (), turn_events_max=TURN_EVENTS_MAX)
        self.bus: MessageBus = await self.stack.enter_async_context(opened)
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for turn in self.bus.turns():
            self.given_out.append(turn)

    def teardown(self) -> None:
        try:
            self._everything_ends()
        finally:
            self.runner.run(self.stack.aclose())
            self.runner.run(asyncio.wait_for(self.reader, 10))
            self.runner.close()
            shutil.rmtree(self.folder)

    def _everything_ends(self) -> None:
        """Whatever was sent and not settled comes again, until nothing is left."""
        for _ in range(4 * self.sent + 4):
            self.time_passes(60.0)
            for agent in AGENTS:
                if self.boxes[agent].turn is not None:
                    self.turn_is_settled(agent)
        assert len(self.settled) == self.sent
        assert all(not box.queue and box.turn is None and box.resting is None for box in self.boxes.values())

    # --- what the senders do -------------------------------------------------------------------------------------

    @rule(pairs=st.lists(st.tuples(agents, waits), min_size=1, max_size=5))
    def messages_are_sent(self, pairs: list[tuple[AgentId, float]]) -> None:
        messages = [self._new(agent, wait) for agent, wait in pairs]
        self._do(self.bus.send(messages))

    @rule(agent=agents, wait=waits, is_kept=st.booleans())
    def a_message_is_offered(self, agent: AgentId, wait: float, is_kept: bool) -> None:
        offered = self._new(agent, wait)
        self._do(self.bus.offer(offered))
        if is_kept:
            self._do(self.bus.keep(offered))

    @precondition(lambda self: self._present())
    @rule(data=st.data())
    def a_message_that_is_here_is_sent_again(self, data: st.DataObject) -> None:
        again = data.draw(st.sampled_from(self._present()))
        self._do(self.bus.send([again]))

    def _present(self) -> list[Message]:
        here = [each for _, _, each in self.scheduled]
        for box in self.boxes.values():
            here += [
                *box.queue,
                *(box.turn.messages if box.turn else ()),
                *(box.resting[1].messages if box.resting else ()),
            ]
        return here

    def _new(self, agent: AgentId, wait: float) -> Message:
        self.sent += 1
        due = self._now() + wait if wait else 0.0
        new = message(f"{self.sent}", agent, due=due)
        if due > self._now():
            self.scheduled.append((due, self.sent, new))
        else:
            self.boxes[agent].queue.append(new)
        return new

    # --- what the receivers do -----------------------------------------------------------------------------------

    @rule(agent=agents)
    def turn_is_settled(self, agent: AgentId) -> None:
        box = self.boxes[agent]
        if box.turn is None:
            return
        turn, box.turn, box.deliveries = box.turn, None, 0
        assert self.settled.isdisjoint(turn.receipts)
        self.settled.update(turn.receipts)
        self._do(self.bus.settle(turn))

    @rule(agent=agents, after_seconds=st.sampled_from((0.0, 5.0)))
    def turn_is_released(self, agent: AgentId, after_seconds: float) -> None:
        box = self.boxes[agent]
        if box.turn is None:
            return
        turn, box.turn = box.turn, None
        box.resting = (self._now() + after_seconds, turn)
        self._wake()
        self._do(self.bus.release(turn, after_seconds))

    @rule(seconds=st.sampled_from((0.5, 4.0, 5.0, 61.0)))
    def time_passes(self, seconds: float) -> None:
        loop = self.runner.get_loop()
        assert isinstance(loop, ManualLoop)
        loop.moment += seconds
        self._wake()
        self._do(settle(2))

    def _wake(self) -> None:
        """What becomes due now, in the order of its times; released turns come first again."""
        now = self._now()
        for box in self.boxes.values():
            if box.resting is not None and box.resting[0] <= now:
                turn, box.resting = box.resting[1], None
                box.queue.extendleft(reversed(turn.messages))
                box.deliveries = turn.deliveries
        due = sorted((each for each in self.scheduled if each[0] <= now), key=lambda each: each[:2])
        self.scheduled = [each for each in self.scheduled if each[0] > now]
        for _, _, each in due:
            assert each.agent is not None
            self.boxes[each.agent].queue.append(each)

    # --- what must be so -----------------------------------------------------------------------------------------

    @invariant()
    def turns_are_as_they_must_be(self) -> None:
        while self.given_out:
            self._check(self.given_out.popleft())
        for agent, box in self.boxes.items():
            assert box.turn is not None or box.resting is not None or not box.queue, f"{agent} has no turn"

    def _check(self, turn: Turn) -> None:
        box = self.boxes[turn.agent]
        assert box.turn is None, "two turns of one agent at a time"
        assert box.resting is None, "a released turn came early, or was overtaken"
        assert 1 <= len(turn.messages) <= TURN_EVENTS_MAX
        assert list(turn.messages) == [box.queue.popleft() for _ in turn.messages], "not first in, first out"
        assert all(each.due <= self._now() for each in turn.messages), "early"
        assert turn.receipts == tuple(each.id for each in turn.messages)
        assert turn.deliveries == box.deliveries + 1
        box.turn = turn

    def _do(self, operation: Any) -> None:
        async def run() -> None:
            await operation
            await settle(6)

        self.runner.run(run())
        self.turns_are_as_they_must_be()

    def _now(self) -> float:
        return EPOCH + self.runner.get_loop().time()


@pytest.mark.parametrize("backend", BUSES)
def test_a_broker_does_what_its_model_does(backend: str) -> None:
    machine = type("Machine", (BusMachine,), {"open_bus": staticmethod(BUSES[backend])})
    examples = {"storage-queue": 5, "servicebus": 3}.get(backend, 30)  # a message is several requests there
    run_state_machine_as_test(machine, settings=bounded(examples=examples, steps=25))
