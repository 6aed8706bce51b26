"""Whatever is done to a queue, in any order, with restarts from its file in between: every message that was accepted is
in one place, once, and a completed one in none."""

import tempfile
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, ULong
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Message, World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import MessageLockLost, ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import PROPERTIES, Envelope, parse
from AgentOperatingSystem.hosting.servicebus_emulator.settings import Holding, Limits, NamespaceSettings, QueueSettings
from AgentOperatingSystem.hosting.servicebus_emulator.store import Store

HOLDING = Holding(lock_seconds=60.0, max_delivery_count=3)
SETTINGS = NamespaceSettings(queues=(QueueSettings(name="q", holding=HOLDING),))
PLACES = st.integers(0, 30)


class Taker:
    """A receiver that takes as much as it is told to."""

    deletes = False

    def __init__(self) -> None:
        self.credit = 0
        self.tokens: list[UUID] = []

    def hand(self, message: Message) -> None:
        assert message.lock is not None
        self.credit -= 1
        self.tokens.append(message.lock.token)

    def lose(self, why: ServiceBusRefusal) -> None:
        raise AssertionError(why)


def message(name: str) -> Envelope:
    return parse(encode(Described(ULong(PROPERTIES), [name])))


class Conserved(RuleBasedStateMachine):
    """One queue, one receiver, a clock, and a file."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1_000_000
        self.accepted: set[str] = set()
        self.completed: set[str] = set()
        self.open()

    def open(self) -> None:
        self.store = Store(Path(self.folder.name) / "state")
        self.world = World(lambda: self.now, self.store, Limits())
        self.namespace = Namespace(SETTINGS, self.world)
        self.store.load(self.namespace)
        self.taker = Taker()
        self.queue.attach(self.taker)

    @property
    def queue(self) -> Queue:
        found = self.namespace.node("q").queue
        assert found is not None
        return found

    @rule()
    def send(self) -> None:
        intake, name = self.namespace.node("q").intake, str(len(self.accepted))
        assert intake is not None
        intake.send([message(name)], lambda each: None)
        self.accepted.add(name)

    @rule(credit=st.integers(1, 3))
    def receive(self, credit: int) -> None:
        self.taker.credit = credit
        self.queue.serve(self.queue.shelf.lane(None))

    @precondition(lambda self: self.taker.tokens)
    @rule(place=PLACES, how=st.sampled_from(["complete", "abandon", "release", "defer", "bury", "renew"]))
    def settle(self, place: int, how: str) -> None:
        token = self.taker.tokens[place % len(self.taker.tokens)]
        held = self.queue.locked.get(token)
        if held is None:
            with pytest.raises(MessageLockLost):
                self.queue.complete(token)
        elif how == "complete":
            self.queue.complete(token)
            self.completed.add(held.envelope.message_id or "")
        elif how == "bury":
            self.queue.dead_letter(token, "odd", None)
        elif how == "renew":
            assert self.queue.renew(token) == self.now + 60_000
        else:
            {"abandon": self.queue.abandon, "release": self.queue.release, "defer": self.queue.defer}[how](token)

    @rule(seconds=st.integers(1, 70))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000
        self.world.timers.run(self.now)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        dead = self.namespace.node("q/$deadletterqueue").queue
        assert dead is not None
        everywhere = [*self.queue.shelf.messages.values(), *dead.shelf.messages.values()]
        names = [each.envelope.message_id for each in everywhere]
        assert sorted(names, key=str) == sorted(self.accepted - self.completed, key=str)

    @invariant()
    def whatever_is_locked_is_there(self) -> None:
        assert all(self.queue.shelf.messages[each.sequence] is each for each in self.queue.locked.values())
        assert all(each.lock is not None and each.lock.until_ms > self.now for each in self.queue.locked.values())

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()


Conserved.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestConserved = Conserved.TestCase


def test_a_lock_that_never_was() -> None:
    machine = Conserved()
    with pytest.raises(MessageLockLost):
        machine.queue.complete(uuid4())
    machine.teardown()
