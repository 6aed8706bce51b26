"""One seed's world: hosts that come and go over one store and one broker, with the dice that decide what befalls them.

What happens in it, `simulation.py` says.
"""

import asyncio
from collections.abc import Callable
from random import Random

import msgspec

from AgentOperatingSystem.agents.context import Limits
from AgentOperatingSystem.agents.steps import Step
from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.messaging.memory import MemoryBus
from AgentOperatingSystem.messaging.ports import MessageBus
from AgentOperatingSystem.orchestration.answering import AnswerDesk
from AgentOperatingSystem.orchestration.budgets.desk import BudgetDesk
from AgentOperatingSystem.orchestration.budgets.meter import PAUSE
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile, Budgets
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.effects import EffectsDesk
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.pump import Pump
from AgentOperatingSystem.orchestration.quarantine import QuarantineDesk
from AgentOperatingSystem.orchestration.subscriptions import Subscriptions
from AgentOperatingSystem.proof.simulator.actors import observations, registry
from AgentOperatingSystem.proof.simulator.broker import Broker, Unordered
from AgentOperatingSystem.proof.simulator.client import Log
from AgentOperatingSystem.proof.simulator.faults import Faults, Journal
from AgentOperatingSystem.proof.simulator.host import Host, owned_tasks
from AgentOperatingSystem.proof.simulator.limits import TENANT, limits_for
from AgentOperatingSystem.proof.simulator.observed import Observations, ObservedStore
from AgentOperatingSystem.proof.simulator.observed_steps import StepWatch
from AgentOperatingSystem.proof.simulator.outside_world import OutsideWorld, outside_world
from AgentOperatingSystem.proof.simulator.plan import CLOCK, EPOCH, Plan
from AgentOperatingSystem.proof.simulator.surroundings import HostBlobs, HostBus, HostStore
from AgentOperatingSystem.proof.simulator.thinkers import THINKERS
from AgentOperatingSystem.storage.memory import MemoryBlobStore
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import STEP, EventRow, Status

RESTART_SECONDS = 10.0
LOCK_SECONDS = 30.0
DEDUPE_SECONDS = 30 * 86_400.0
RULES = Rules(attempts_max=5, backoff_max_seconds=20.0, turn_timeout_seconds=100.0)
LIMITS = Limits(hops_max=6, credits_max=12)


class Build(msgspec.Struct, frozen=True):
    """What a world is built of; a mutant replaces one part."""

    kernel: Callable[[Parts], Kernel] = Kernel
    store: Callable[[Observations], ObservedStore] = ObservedStore


class Life:
    """One life of a host, as those outside see it: its doors."""

    def __init__(self, host: Host, parts: Parts, kernel: Kernel) -> None:
        self.host = host
        self.kernel = kernel
        self.mailroom = Mailroom(parts, kernel, (), DEDUPE_SECONDS)
        self.lifecycle = Lifecycle(parts, kernel)
        self.quarantine = QuarantineDesk(parts, kernel, self.mailroom)
        self.cancels = CancelDesk(parts, kernel)
        self.effects = EffectsDesk(parts, kernel)
        self.answers = AnswerDesk(parts, kernel)
        self.budgets = BudgetDesk(parts, kernel, self.mailroom)
        self.pump = Pump(kernel, parts.bus, 8)
        self._store = parts.store

    async def pauses(self) -> list[tuple[EventRow, str]]:
        """Events that wait for a budget, and what they say of it."""
        found = []
        for row in (await self._store.find(TENANT, Status.WAITING, limit=1000)).items:
            for name in (name for name in row.waits if name.startswith(f"wait-{PAUSE}")):
                assert row.event.agent is not None
                value = await self._store.row(row.event.agent, STEP, f"{row.key}/{name}")
                step = msgspec.json.decode(value, type=Step) if value is not None else None
                found += [(row, str(step.about))] if step is not None else []
        return found


class World:
    """Made within its event loop."""

    def __init__(self, plan: Plan, build: Build, journal: Journal) -> None:
        self.plan = plan
        self.journal = journal
        self.faults = Faults(plan, journal)
        self.outside = OutsideWorld(journal, plan.seed)
        self.registry = registry(*(THINKERS if plan.steps else ()))
        self.limits = limits_for(plan.seed) if plan.steps else BudgetFile()
        watch = StepWatch(self.outside, self.registry, plan.skew_seconds, RULES.clock_skew_seconds)
        self.seen = Observations(journal, watch)
        self.log = Log()
        self.store = build.store(self.seen)
        self.blobs = MemoryBlobStore(CLOCK)
        mailboxes = None if plan.ordered else Unordered(plan.turn_events_max, self.faults)
        bus = MemoryBus(
            CLOCK,
            Subscriptions(self.registry).copies,
            turn_events_max=plan.turn_events_max,
            pending_max=1_000_000,
            duplicate_window_seconds=plan.duplicate_window_seconds,
            lock_seconds=LOCK_SECONDS,
            mailboxes=mailboxes,
        )
        self.broker = Broker(bus, self.faults, journal, self.seen, plan)
        self.lives: list[Life] = []
        self._build = build
        self._rng = Random(f"world:{plan.seed}")
        self._born = 0
        self._up = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Starts the broker and the hosts."""
        asyncio.get_running_loop().set_task_factory(owned_tasks)
        observations.set(self.seen)
        outside_world.set(self.outside)
        self._tasks.append(asyncio.create_task(self.broker.run()))
        for number in range(self.plan.hosts):
            self._start(number)

    def close(self) -> None:
        """Nothing happens any more."""
        for life in self.lives:
            life.host.stop()
        for task in self._tasks:
            task.cancel()

    # --- hosts ---------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        """A new life of a host: empty memory, the same store and broker."""
        self._born += 1
        host = Host(number, self._born, self.faults, self.journal)
        host.on_crash = self._crashed
        parts = self._parts(HostStore(host, self.store), HostBlobs(host, self.blobs), HostBus(host, self.broker))
        life = Life(host, parts, self._build.kernel(parts))
        self.lives.append(life)
        self._up.set()
        self.journal.write(host, "starts")
        host.run(life.pump.start)

    def _crashed(self, host: Host) -> None:
        self.lives = [life for life in self.lives if life.host is not host]
        if not self.lives:
            self._up.clear()
        self.broker.crashed(host)
        seconds = self._rng.random() * RESTART_SECONDS
        asyncio.get_running_loop().call_later(seconds, self._start, host.number)

    def _parts(self, store: AgentStore, blobs: HostBlobs, bus: MessageBus) -> Parts:
        plan = self.plan
        return Parts(
            store=store,
            blobs=blobs,
            bus=bus,
            registry=self.registry,
            clock=LoopClock(EPOCH + self._rng.uniform(-plan.skew_seconds, plan.skew_seconds)),
            jitter=self._rng.random,
            rules=msgspec.structs.replace(
                RULES, turn_events_max=plan.turn_events_max, turn_deadline_seconds=plan.turn_deadline_seconds
            ),
            limits=LIMITS,
            warm_agents_max=plan.warm_agents_max,
            budgets=Budgets(self.limits),
            inline_bytes_max=plan.inline_bytes_max,
        )

    async def doors(self) -> Life:
        """Some host that is up."""
        await self._up.wait()
        return self.lives[self._rng.randrange(len(self.lives))]
