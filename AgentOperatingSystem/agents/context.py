"""The system calls: what an agent's handler can ask of the system while it handles one event.

Everything that leaves (sent, published, scheduled, remembered) is only collected here, and checked: size, target,
hops. It is committed together with the state, and relayed after the commit; a handler that raises has sent nothing.
"""

import logging
import random as random_module
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import msgspec

from AgentOperatingSystem.agents.asking import REPLY, Owed, chain, owed_by
from AgentOperatingSystem.agents.changes import Changes
from AgentOperatingSystem.agents.conversation import MAIN, TOKENS_MAX, Conversation
from AgentOperatingSystem.agents.step_calls import StepCalls, Steps
from AgentOperatingSystem.agents.timers import REQUEST, Timer, new_request, new_schedule, time_limit
from AgentOperatingSystem.agents.waiting import behind_of
from AgentOperatingSystem.errors import Quarantine, TooLarge
from AgentOperatingSystem.events import Event, check_memory_key, check_topic, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.observability import spans, tracing
from AgentOperatingSystem.storage.records import Row

TOO_LONG = "hop limit {} reached: the chain of causes is too long"
_log = logging.getLogger("AgentOperatingSystem.agent")
_decode = msgspec.json.decode
_replace = msgspec.structs.replace


class Memory(Protocol):
    """Where `recall` reads from: the agent's own rows."""

    async def recall(self, key: str) -> Any: ...

    async def recall_prefix(self, prefix: str, limit: int) -> dict[str, Any]: ...

    async def read_row(self, kind: str, name: str) -> bytes | None: ...

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]: ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a handler may send."""

    event_bytes_max: int = 1 << 20
    hops_max: int = 32
    credits_max: int = 1000
    event_depth_max: int = 64


class Directory(Protocol):
    """Who can be sent to."""

    def check_recipient(self, agent: AgentId) -> None:
        """Raises `UnknownAgent` where no such type is registered."""
        ...

    def capabilities(self) -> dict[str, tuple[str, ...]]:
        """What the registered types declare that they can do, by name; those that declare nothing are left out."""
        ...


class Policy(Protocol):
    """What an agent may do; `agents/roles.py` has it."""

    def check_recipient(self, agent: AgentId) -> None:
        """Raises where the agent may not send to this one."""
        ...

    def check_publishes(self) -> None:
        """Raises where it may not publish."""
        ...


@dataclass(slots=True)
class Collected:
    """What one handling collected; nothing of it has left."""

    events: list[Event] = field(default_factory=list)
    rows: Changes[tuple[str, str], Row] = field(default_factory=Changes)
    timers: Changes[str, Timer | None] = field(default_factory=Changes)
    deferred: Owed | None = None
    """What the handler owes instead of answering with its result."""

    def __post_init__(self) -> None:
        self.rows.beside, self.timers.beside = self.timers, self.rows


class Context(StepCalls):
    """The system calls of one handling of one event. Valid only until the handler returns."""

    __slots__ = (
        "_directory",
        "_limits",
        "_memory",
        "_now",
        "_random",
        "_steps",
        "_uuids",
        "agent",
        "attempt",
        "collected",
        "event",
        "role",
        "state",
    )

    def __init__(
        self,
        event: Event,
        agent: AgentId,
        state: Any,
        memory: Memory,
        directory: Directory,
        limits: Limits,
        now: float,
        attempt: int,
        steps: Steps | None = None,
    ) -> None:
        self.event = event
        self.agent = agent
        self.state = state
        self.attempt = attempt
        """1 at the first try of the event."""
        self.collected = Collected()
        self._memory = memory
        self._directory = directory
        self._limits = limits
        self._now = now
        self._steps = steps
        self._random: random_module.Random | None = None
        self._uuids = 0
        self.role: Policy | None = None
        """What the agent may do, where it has a role; set by the kernel."""

    # --- talking to others ----------------------------------------------------------------------------------

    async def send(
        self,
        to: AgentId | str,
        data: Any = None,
        *,
        type: str = "aos.message",
        subject: str = "",
        conversation: str = "",
        correlation: str = "",
        priority: int = 0,
        after_seconds: float = 0.0,
        reply_to: AgentId | None = None,
        asks: tuple[str, ...] = (),
    ) -> Event:
        """Sends an event to one agent's mailbox, after the commit. Returns the event as it will be sent.

        Raises `UnknownAgent`, `TooLarge`, `InvalidEvent`; `Quarantine` where the hop limit is reached.
        """
        recipient = self._address(to)
        return self._collect(
            agent=recipient,
            tenant=recipient.tenant,
            type=type,
            data=data,
            subject=subject,
            conversation=conversation or self.event.conversation,
            correlation=correlation,
            priority=priority,
            reply_to=reply_to,
            asks=asks,
            due=self._now + after_seconds if after_seconds > 0 else 0.0,
        )

    async def publish(self, topic: str, data: Any = None, *, type: str = "", subject: str = "") -> Event:
        """Publishes to every subscriber of `topic` (and to its outside consumers), after the commit."""
        if self.role is not None:
            self.role.check_publishes()
        return self._collect(
            tenant=self.agent.tenant,
            topic=check_topic(topic),
            type=type or topic,
            data=data,
            subject=subject or self.event.subject,
            conversation=self.event.conversation,
            correlation=self.event.correlation,
        )

    async def broadcast(self, group: str, data: Any = None, *, type: str = "aos.broadcast") -> Event:
        """One copy to every member of `group` but the sender (specification row 85)."""
        return await self.publish(f"aos.group.{group}", data, type=type)

    async def request(
        self,
        to: AgentId | str,
        data: Any = None,
        *,
        type: str = "aos.request",
        timeout_seconds: float = 60.0,
        owed: Owed | dict[str, Any] | None = None,
        waits: bool = True,
    ) -> str:
        """Asks another agent, without waiting: the answer is a later event of this agent.

        Exactly one of two events will come, both with the returned correlation id: `aos.reply` with the other's result
        as data, or `aos.request.timed_out`. The time limit survives restarts.

        `owed` is the answer that this request is needed for (default: what this handling deferred). Raises `Deadlock`
        where the other one waits for that answer itself. `waits=False`: this agent answers others meanwhile, whatever
        comes of the request, so that nobody who asks it closes a ring.
        """
        due = time_limit(type, self._now + timeout_seconds)
        owed = owed or self.collected.deferred
        waiting = msgspec.convert(owed, Owed).asks if owed else ()
        asks = chain(waiting, self.agent, self._address(to)) if waits else ()
        correlation = f"{REQUEST}{self.uuid()}"
        sent = await self.send(to, data, type=type, reply_to=self.agent, correlation=correlation, asks=asks)
        self.collected.timers[correlation] = new_request(sent, due)
        return correlation

    def defer(self) -> Owed:
        """This handler's result is not the answer: who asked gets it later, by `answer`. Keep what this returns in the
        state. An application that waits for the event still gets the handler's result.
        """
        if self.collected.deferred is None:
            self.collected.deferred = owed_by(self.event)
        return self.collected.deferred

    async def answer(self, owed: Owed | dict[str, Any], result: Any = None) -> None:
        """Gives the answer that `defer` put off, in whatever handling; nothing where nobody asked for one.

        An answer that comes after the asker's time limit ends there as `cancelled`, as does a second one.
        """
        owed = msgspec.convert(owed, Owed)
        if owed.to is not None:
            self._collect(
                agent=owed.to,
                tenant=owed.to.tenant,
                type=REPLY,
                data=result,
                correlation=owed.correlation,
                conversation=owed.conversation,
            )

    def capabilities(self) -> dict[str, tuple[str, ...]]:
        """Who can do what: the capabilities that registered agents declare, by name."""
        return self._directory.capabilities()

    # --- time -----------------------------------------------------------------------------------------------

    async def schedule(
        self,
        name: str,
        *,
        at: float | None = None,
        after_seconds: float | None = None,
        cron: str = "",
        timezone: str = "UTC",
        missed: str = "once",
        type: str = "aos.schedule",
        data: Any = None,
        new_chain: bool = False,
    ) -> None:
        """Sends this agent an event at a time (`at`: UTC seconds, or `after_seconds`) or at every time that `cron`
        names.

        Idempotent by `name`: scheduling the same again changes nothing, scheduling otherwise replaces it. `missed`
        says what becomes of runs that no host was there for: `skip`, `once` or `all`. Raises `InvalidSchedule`. One
        that is due within a minute, or every few seconds, goes on with this event's hops and credits, so that no loop
        is endless; `new_chain` says that what it starts is no consequence of this event, such as the next of a queue.
        """
        due = self._now + after_seconds if after_seconds is not None else at
        data = _decode(self._sized(f"schedule {name[:80]!r}", data))
        timer = new_schedule(
            name, at=due, cron=cron, timezone=timezone, missed=missed, type=type, data=data, now=self._now
        )
        self.collected.timers[name] = msgspec.structs.replace(timer, new_chain=new_chain)

    async def cancel(self, name: str) -> None:
        """Cancels a schedule; one that is not there is cancelled already."""
        self.collected.timers[name] = None

    # --- memory ---------------------------------------------------------------------------------------------

    async def remember(self, key: str, value: Any) -> None:
        """Keeps a JSON value under `key` in this agent's memory, with the commit."""
        check_memory_key(key)
        self.collected.rows["memory", key] = Row("memory", key, self._sized(f"memory {key!r}", value))

    async def forget(self, key: str) -> None:
        """Removes what was remembered under `key`."""
        self.collected.rows["memory", key] = Row("memory", key, None)

    async def recall(self, key: str) -> Any:
        """What was remembered under `key` (in this handling too), or None."""
        written = self.collected.rows.get(("memory", key))
        if written is not None:
            return _decode(written.value) if written.value is not None else None
        return await self._memory.recall(key)

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]:
        """What was remembered under keys that begin with `prefix`, by key."""
        found = await self._memory.recall_prefix(prefix, limit + len(self.collected.rows))
        for (kind, key), row in self.collected.rows.items():
            if kind == "memory" and key.startswith(prefix):
                found.pop(key, None)
                if row.value is not None:
                    found[key] = _decode(row.value)
        return dict(sorted(found.items())[:limit])

    def conversation(
        self, id: str = "", *, tokens_max: int = TOKENS_MAX, provider: ModelProvider | None = None
    ) -> Conversation:
        """A conversation of this agent: that of the event where no `id` is given, and `main` where it names none.

        What is appended rides in the event's commit; `provider` summarises what falls out of the window. Raises
        `InvalidInput` for an id of more than 256 characters.
        """
        return Conversation(
            id or self.event.conversation or MAIN,
            self._memory,
            self.collected.rows,
            now=self._now,
            event=self.event.id,
            tokens_max=tokens_max,
            provider=provider,
        )

    # --- what must be the same when the event is tried again ------------------------------------------------

    def now(self) -> float:
        """UTC seconds when this turn began; does not move while the handler runs."""
        return self._now

    def random(self) -> random_module.Random:
        """A generator seeded from the event: the same numbers at every try."""
        if self._random is None:
            self._random = random_module.Random(f"{self.agent.partition}\x1f{self.event.key}")
        return self._random

    def uuid(self) -> UUID:
        """A new identifier: the n-th of an event is the same at every try."""
        self._uuids += 1
        seed = random_module.Random(f"{self.agent.partition}\x1f{self.event.key}\x1f{self._uuids}")
        return UUID(int=seed.getrandbits(128), version=4)

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that carries tenant, agent and event."""
        return logging.LoggerAdapter(
            _log,
            {"tenant": self.agent.tenant, "agent": str(self.agent), "event": self.event.id, "attempt": self.attempt},
        )

    # --- inside ---------------------------------------------------------------------------------------------

    def _address(self, to: AgentId | str) -> AgentId:
        recipient = AgentId.parse(to, self.agent.tenant) if isinstance(to, str) else to
        self._directory.check_recipient(recipient)
        if self.role is not None:
            self.role.check_recipient(recipient)
        return recipient

    def _collect(self, *, data: Any, **fields: Any) -> Event:
        """One outgoing event: its id is derived from its cause and its place, so that every try sends the same ones."""
        cause, events = self.event, self.collected.events
        data = _decode(self._sized("event", data))  # the handler may go on changing its own objects
        name = f"{cause.key}-{cause.generation}-{len(events)}" if cause.generation else f"{cause.key}-{len(events)}"
        event = self._made(name, data=data, **fields)
        if tracing.is_on():
            event = _replace(event, traceparent=spans.sending(event))
        events.append(event)
        return event

    def _made(self, name: str, **fields: Any) -> Event:
        """An event that the one in hand has caused. Raises `Quarantine` at the hop limit."""
        if self.event.hops >= self._limits.hops_max:
            raise Quarantine(TOO_LONG.format(self._limits.hops_max))
        return Event(
            id=name,
            source=f"/agents/{self.agent}",
            time=self._now,
            causation=self.event.id,
            traceparent=self.event.traceparent,
            hops=self.event.hops + 1,
            extensions=behind_of(self.event),
            **fields,
        )

    def _plain(self, what: str, value: Any) -> Any:
        """The value as JSON has it, detached from the handler's objects."""
        return _decode(self._sized(what, value))

    def _sized(self, what: str, value: Any) -> bytes:
        content = encode(value)
        if len(content) > self._limits.event_bytes_max:
            raise TooLarge(f"{what}: {len(content)} bytes; event_bytes_max is {self._limits.event_bytes_max}")
        return content
