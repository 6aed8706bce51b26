"""Composition: the one file that chooses implementations, and the system as applications hold it.

    config → engines: store, blobs, bus → registry, kernel, mailroom → pump

`AgentOperatingSystem(config)` reads in the order in which things start. Tests pass parts of their own with
`parts_from`.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

from AgentOperatingSystem import storage
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Limits
from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.engines import Engines, Opened
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.knowledge import running as running_knowledge
from AgentOperatingSystem.knowledge.base import KnowledgeBase
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.messaging.ports import Broker, Turn
from AgentOperatingSystem.ml import running as running_models
from AgentOperatingSystem.observability.redaction import redact_json, register_secrets
from AgentOperatingSystem.orchestration.alerts.agent import keep_alerts
from AgentOperatingSystem.orchestration.alerts.desk import AlertDesk
from AgentOperatingSystem.orchestration.answering import AnswerDesk
from AgentOperatingSystem.orchestration.applications import agents_of, register_declared, routes_of
from AgentOperatingSystem.orchestration.archive import Archivist
from AgentOperatingSystem.orchestration.budgets.desk import BudgetDesk
from AgentOperatingSystem.orchestration.budgets.rules import Budgets
from AgentOperatingSystem.orchestration.builtin import FunctionHandler, Unrouted
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.orchestration.control_events import control_agent
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.effects import EffectsDesk
from AgentOperatingSystem.orchestration.given import event_from as event_from
from AgentOperatingSystem.orchestration.history import ALL, STATES_AT_ONCE
from AgentOperatingSystem.orchestration.housekeeping import DAY_SECONDS, Housekeeping
from AgentOperatingSystem.orchestration.job_events import hear_of_jobs
from AgentOperatingSystem.orchestration.jobs import JobCanceller
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lifecycle import Lifecycle
from AgentOperatingSystem.orchestration.lookout import Lookout
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.manager import AgentManager
from AgentOperatingSystem.orchestration.message_bus import ApplicationBus
from AgentOperatingSystem.orchestration.notifying import notifier
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.pump import Pump
from AgentOperatingSystem.orchestration.quarantine import QuarantineDesk
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.routes import Route
from AgentOperatingSystem.orchestration.schedules import ScheduleDesk
from AgentOperatingSystem.orchestration.subscriptions import Subscriptions
from AgentOperatingSystem.orchestration.switching import SwitchDesk
from AgentOperatingSystem.orchestration.travel import TimeDesk
from AgentOperatingSystem.storage.records import Head, Page
from AgentOperatingSystem.storage.repository import Repository
from AgentOperatingSystem.storage.sqlite.engine import Engine
from AgentOperatingSystem.tools import running as running_tools

_log = logging.getLogger(__name__)
PartsFactory = Callable[["AgentOperatingSystem"], Parts]


class AgentOperatingSystem:
    """One system in this process: `initialize`, `register_agent`, `process_event` (specification row 3).

    Also usable as `async with AgentOperatingSystem(config) as aos`. On the embedded default everything lies in
    `config.data_dir`.
    """

    kernel: Kernel
    """There after `initialize`, as all that is named from here to `bus`."""
    parts: Parts
    mailroom: Mailroom
    message_bus: ApplicationBus
    lifecycle: Lifecycle
    cancelling: CancelDesk
    switches: SwitchDesk
    manager: AgentManager
    quarantine: QuarantineDesk
    effects: EffectsDesk
    budgets: BudgetDesk
    answers: AnswerDesk
    schedules: ScheduleDesk
    archive: Archivist
    travel: TimeDesk
    alerts: AlertDesk
    bus: Broker
    engines: ClassVar[type[Engines]] = Engines

    def __init__(
        self,
        config: AOSConfig | None = None,
        *,
        routes: Sequence[Route] = (),
        clock: Clock | None = None,
        pushed: bool = False,
    ) -> None:
        """`pushed` is for a host that hands in turns itself (`deliver`) and beats the pulse (`keep_house`), as Azure
        Functions do: then nothing is taken from the broker here.
        """
        self.config = config or AOSConfig()
        self._is_pushed = pushed
        register_secrets(*self.config.secret_values())
        self.clock = clock or SystemClock()
        self.auth = Auth(self.config, self.clock)
        self.models = running_models.RunningModels(self.config, self.clock, self.auth.identity)
        self.tools = running_tools.RunningTools(self.config, self.auth.identity)
        self.registry = Registry(self.config.state_bytes_max)
        for handler in (Unrouted, FunctionHandler, JobCanceller, control_agent(self)):
            self.registry.register_system(handler)
        if self.config.approvals_webhook_url:
            self.registry.register_system(notifier(self.config.approvals_webhook_url))
        self.routes = list(routes)
        keep_alerts(self)
        hear_of_jobs(self)
        self.subscriptions = Subscriptions(self.registry)
        self._knowledge: KnowledgeBase | None = None
        self._pump: Pump | None = None
        self._chores: list[asyncio.Task[None]] = []

    async def initialize(self) -> Self:
        """Opens the stores and takes over what a dead host left. Initializing twice is the same as once.

        Raises `ConfigurationError` where the configuration names what this build does not have.
        """
        if self._pump is not None:
            return self
        route: Callable[[Event], Event] = lambda event: self.mailroom.route(event)  # noqa: E731  # made below
        copies = self.subscriptions.copies
        self._opened = await self.engines(self.config, self.clock, copies, self.auth, route).open()
        try:
            self._assemble(self._opened)
            await register_declared(self, self.config.apps)
            await self._refresh()
        except BaseException:
            self._pump = None
            await self._let_go()
            raise
        return self

    def _assemble(self, opened: Opened) -> None:
        """All that is made of the stores and the broker. Raises `ConfigurationError`."""
        self.bus = opened.bus
        self.parts = parts_from(self.config, self.registry, opened.store, opened.blobs, opened.bus, self.clock)
        storage.use(self.parts.store, self.parts.blobs)
        running_models.use(self.models)
        running_knowledge.use(self._opened_knowledge)
        running_tools.use(self.tools)
        self.kernel = Kernel(self.parts)
        lookout = Lookout(self.parts, self.kernel.outcomes) if opened.is_shared else None
        self.mailroom = Mailroom(self.parts, self.kernel, self.routes, self.config.dedupe_days * DAY_SECONDS, lookout)
        self.message_bus = ApplicationBus(self.parts, self.mailroom, self.subscriptions, self.config.tenant, self.start)
        self.lifecycle = Lifecycle(self.parts, self.kernel)
        self.cancelling = CancelDesk(self.parts, self.kernel)
        self.switches = SwitchDesk(self.parts, self.kernel, self.config.subscriptions_refresh_seconds)
        self.manager = AgentManager(self.parts, self.kernel, self.config.tenant)
        self.quarantine = QuarantineDesk(self.parts, self.kernel, self.mailroom)
        self.effects = EffectsDesk(self.parts, self.kernel)
        self.budgets = BudgetDesk(self.parts, self.kernel, self.mailroom)
        self.answers = AnswerDesk(self.parts, self.kernel)
        self.schedules = ScheduleDesk(self.parts, self.kernel)
        self.archive = Archivist(self.parts, self.kernel)
        self.travel = TimeDesk(self.parts, self.kernel, self.archive)
        self.alerts = AlertDesk(self.parts, self.mailroom, self.bus, self.config)
        self._housekeeping = Housekeeping(self.parts, self.config, self.bus.prune, opened.collect)
        self._pump = Pump(self.kernel, self.parts.bus, self.config.max_concurrent_turns)

    @property
    def engine(self) -> Engine:
        """The file of an embedded store or bus, for counts and benchmarks. Raises `ConfigurationError` without one."""
        self._started()
        if self._opened.engine is None:
            raise ConfigurationError("nothing of this system is embedded: there is no file")
        return self._opened.engine

    async def deliver(self, turn: Turn) -> None:
        """One turn that a host pushes in; its messages are settled when this returns.

        Raises `StoreUnavailable` where the store or the broker cannot be reached: the turn has to come again.
        """
        self.start()
        await self.kernel.deliver(turn)

    def start(self) -> None:
        """Begins to hand out turns; `process_event` and all that sends does it too. Register the agents before."""
        pump = self._started()
        if not self._is_pushed:
            pump.start()
        if not self._chores:
            self._chores = [asyncio.create_task(self._refresh_forever(), name="aos-subscriptions")]
            if not self._is_pushed:
                self._chores.append(asyncio.create_task(self._housekeeping.run_forever(), name="aos-housekeeping"))
                self._chores.append(asyncio.create_task(self.alerts.look_forever(), name="aos-alerts"))

    async def drain(self) -> int:
        """Hands out no further turn, waits for those under way (at most `drain_timeout_seconds`), and lets go of
        everybody who still waits for an outcome: their events are kept. Answers how many turns were broken off.
        """
        late = await self._started().drain(self.config.drain_timeout_seconds)
        self.kernel.outcomes.give_up()
        return late

    async def close(self) -> int:
        """Drains (no new turn, those under way end, within `drain_timeout_seconds`) and lets go of everything.

        Answers how many turns were broken off; their events are handled at the next start.
        """
        if self._pump is None:
            return 0
        late = await self.drain()
        self._pump = None
        for chore in self._chores:
            chore.cancel()
        await self._let_go()
        return late

    async def _let_go(self) -> None:
        storage.release(self._opened.store)
        await running_models.release(self.models)
        running_knowledge.release(self._opened_knowledge)
        if self._knowledge is not None:
            await self._knowledge.close()
            self._knowledge = None
        await running_tools.release(self.tools)
        await self._opened.close()

    # --- agents ---------------------------------------------------------------------------------------------

    async def register_agent(self, agent: BaseAgent | type[BaseAgent]) -> str:
        """Registers a type (one agent per key) or one agent object; answers the registered name.

        Raises `ConfigurationError`.
        """
        return self.registry.register(agent).name if self._pump is None else self.manager.register_agent(agent)

    async def register_app(self, app: ModuleType) -> list[str]:
        """Registers the agents of a module and adds its routes; answers the registered names."""
        names = [await self.register_agent(agent) for agent in agents_of(app)]
        self.routes += routes_of(app)
        if self._pump is not None:
            self.mailroom.routes = list(self.routes)
        return names

    async def deregister_agent(self, agent: AgentId | str, *, delete: bool = False, reason: str = "") -> None:
        """Terminates an agent: its subscriptions end, its state is archived under a tombstone or deleted
        (specification row 12).
        """
        address = self.address(agent)
        await self.lifecycle.control(address, "terminate", reason)
        await self.subscriptions.remove_agent(self.parts, address)
        if delete:
            await self.lifecycle.purge(address)

    def context_server(self, agent: AgentId | str) -> ContextMCPServer:
        """State, history and memory of one agent."""
        parts = self.parts
        return ContextMCPServer(self.address(agent), parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)

    @property
    def knowledge(self) -> KnowledgeBase:
        """Documents that agents search and cite: `knowledge.db` in the data folder, opened at the first use.

        Raises `ConfigurationError`; `UnknownModel` where `embedding_model` names none.
        """
        self._started()
        return self._opened_knowledge()

    def repository(self, name: str = "default") -> Repository:
        """A place for JSON values that belong to no agent (specification row 106)."""
        parts, tenant = self.parts, self.config.tenant
        return Repository(
            parts.store,
            parts.blobs,
            name,
            tenant=tenant,
            clock=parts.clock,
            inline_bytes_max=parts.inline_bytes_max,
        )

    async def agents(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[Head]:
        """Agents that were woken at least once, by address, without their states; `prefix` begins `name/key`."""
        return await self.parts.store.agents(self.config.tenant, prefix, after, limit)

    def address(self, agent: AgentId | str) -> AgentId:
        """An address, in the configured tenant where only `name/key` is given."""
        return AgentId.parse(agent, self.config.tenant) if isinstance(agent, str) else agent

    # --- events ---------------------------------------------------------------------------------------------

    async def process_event(self, event: Event | dict[str, Any], timeout_seconds: float | None = None) -> Any:
        """Handles one event and returns its agent's result: committed, and its publications sent, when this returns.

        A dict is read as an event; its `agent` may be `name/key`. Raises `EventFailed` where the event ended
        otherwise, `RequestTimedOut` where it did not end within `timeout_seconds` (it is accepted all the same), and
        what `Mailroom.process` raises.
        """
        self.start()
        return await self.message_bus.result(self._event(event), timeout_seconds)

    async def accept_event(self, event: Event | dict[str, Any]) -> Event:
        """Makes an event durable and returns it as addressed; its outcome comes later (`mailroom.find`)."""
        self.start()
        accepted, _ = await self.mailroom.accept(self._event(event))
        return accepted

    async def send_agent_message(
        self, from_agent: AgentId | str, to_agent: AgentId | str, message: Any, *, timeout_seconds: float = 30.0
    ) -> Any:
        """Sends `message` from one agent to another and returns the receiver's result (specification row 80)."""
        self.start()
        return await self.message_bus.request(to_agent, message, sender=from_agent, timeout_seconds=timeout_seconds)

    def _event(self, event: Event | dict[str, Any]) -> Event:
        return event if isinstance(event, Event) else event_from(event, self.config.tenant)

    # --- inside ---------------------------------------------------------------------------------------------

    def _opened_knowledge(self) -> KnowledgeBase:
        if self._knowledge is None:
            from AgentOperatingSystem.agents.documents import Documents, embedder_of  # what most systems never need
            from AgentOperatingSystem.knowledge.sqlite import FILE, SqlitePassageStore

            embedder = embedder_of(self.config)  # first: a name that is wrong opens no file
            store = SqlitePassageStore(Path(self.config.data_dir) / FILE)
            self._knowledge = KnowledgeBase(store, embedder, Documents(), tenant=self.config.tenant, clock=self.clock)
        return self._knowledge

    async def keep_house(self) -> int:
        """Looks after alerts once and deletes what has expired; answers how many rows and blobs are gone. While the
        system runs, it does both by itself; bounded, so a large backlog takes several.
        """
        await self.alerts.look()
        return await self._housekeeping.run()

    async def _refresh_forever(self) -> None:
        while True:
            await self.clock.sleep(self.config.subscriptions_refresh_seconds)
            try:
                await self._refresh()
            except Exception:
                _log.exception("subscriptions and switches cannot be read; trying again")

    async def _refresh(self) -> None:
        """What other hosts have subscribed, paused and stopped."""
        await self.subscriptions.refresh(self.parts, self.config.tenant)
        await self.switches.refresh(self.config.tenant)

    def _started(self) -> Pump:
        if self._pump is None:
            raise ConfigurationError("the system is not initialized: await aos.initialize() first")
        return self._pump

    async def __aenter__(self) -> Self:
        return await self.initialize()

    async def __aexit__(self, *error: object) -> None:
        await self.close()


def parts_from(config: AOSConfig, registry: Registry, store: Any, blobs: Any, bus: Any, clock: Clock) -> Parts:
    """A kernel's parts with the limits of a configuration."""
    return Parts(
        store=store,
        blobs=blobs,
        bus=bus,
        registry=registry,
        clock=clock,
        jitter=random.random,
        rules=Rules(
            attempts_max=config.attempts_max,
            backoff_base_seconds=config.backoff_base_seconds,
            backoff_max_seconds=config.backoff_max_seconds,
            event_steps_max=config.event_steps_max,
            step_repeats_max=config.step_repeats_max,
            crash_limit=config.crash_limit,
            turn_timeout_seconds=config.turn_timeout_seconds,
            turn_deadline_seconds=config.turn_deadline_seconds,
            clock_skew_seconds=config.clock_skew_seconds,
            turn_events_max=min(config.turn_events_max, STATES_AT_ONCE if config.history_states == ALL else 1 << 30),
            history_states=config.history_states,
        ),
        limits=Limits(config.event_bytes_max, config.hops_max, config.credits_max, config.event_depth_max),
        warm_agents_max=config.warm_agents_max,
        inline_bytes_max=config.inline_bytes_max,
        budgets=Budgets.of(config.budgets_file, config.prices_file),
        redact=redact_json,
    )
