"""The base of every agent: override `on_event` (or only `process`), declare the rest as class attributes.

The kernel makes one object per agent address, hands it the state that the last event left, and calls `on_event`; what
the handler returns is the event's result. The state is committed by the kernel, together with everything that the
handler sent.
"""

import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, ClassVar

import msgspec

from AgentOperatingSystem.agents.actions import DeclaredAction
from AgentOperatingSystem.agents.budgets import Budget
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.roles import Role
from AgentOperatingSystem.agents.state import Migration, StateCodec
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer

current_context: ContextVar[Context | None] = ContextVar("current_context", default=None)


class RestartPolicy(msgspec.Struct, frozen=True):
    """What happens when a handler crashes (raises something that is neither Retryable nor Terminal).

    `never`: the agent is stopped and its event kept. `on_failure`: the event is tried `attempts_max` times, then
    quarantined. `always`: tried for ever, with back-off.
    """

    mode: str = "on_failure"
    attempts_max: int = 0
    """0 means the system's `attempts_max`."""

    def __post_init__(self) -> None:
        if self.mode not in ("never", "on_failure", "always"):
            raise ConfigurationError(f"restart policy {self.mode!r} is none of never, on_failure, always")


def on_failure(attempts_max: int) -> RestartPolicy:
    """Try a crashing event this many times in all, then quarantine it."""
    return RestartPolicy("on_failure", attempts_max)


class BaseAgent:
    """A perpetual agent: an address, a state, a mailbox. It is in memory only while it handles an event.

    Subclass it and override `on_event`; or, in the manner of specification row 71, override `process` alone. Declare
    with class attributes what differs from the defaults.
    """

    name: str = ""
    """The registered name; the class's own name in snake case where it is empty."""
    version: str = "1.0.0"
    state_type: ClassVar[type | None] = None
    """A pydantic model, dataclass or msgspec Struct with defaults for all fields; a dict where it is None."""
    schema: ClassVar[int] = 1
    """The version of the state's schema; raise it together with a migration."""
    migrations: ClassVar[Mapping[int, Migration]] = {}
    """`migrations[n]` turns the JSON state of schema n into that of n + 1."""
    ordering: ClassVar[str] = "fifo"
    """`fifo`: an event that fails steps aside; `strict`: it blocks those behind it."""
    restart: ClassVar[RestartPolicy] = RestartPolicy()
    subscriptions: ClassVar[tuple[str, ...]] = ()
    """Topic patterns; `pattern -> key template` chooses the instance, e.g. `"repo.* -> {subject}"`."""
    groups: ClassVar[tuple[str, ...]] = ()
    """Groups whose broadcasts it receives."""
    role: Role | None = None
    """What it may do: whom it may send to, whether it publishes; everything where it is None."""
    capabilities: ClassVar[tuple[str, ...]] = ()
    """What it can do, for discovery."""
    budget: ClassVar[Budget | None] = None
    """What each agent of the class may spend; further limits stand in the file that `budgets_file` names."""
    converses: ClassVar[bool] = False
    """Whether its events of one conversation build on each other: while one of them waits for an answer, the others do.
    """
    declared_actions: ClassVar[Mapping[str, DeclaredAction]] = {}
    """What `@Action` declares, by name; an `Agent` collects it."""
    preloads: ClassVar[tuple[str, ...]] = ()
    """Modules that its first event would load; a host loads them when it starts, while others are served."""
    turn_timeout_seconds: ClassVar[float | None] = None
    """How long one event may take; the system's `turn_timeout_seconds` where it is None."""

    def __init__(self, agent_id: str = "", *, name: str = "", version: str = "") -> None:
        identity = AgentId.parse(agent_id or name or type(self).registered_name())
        self.name = identity.name
        self.version = version or type(self).version
        self.address = identity
        self.state: Any = None
        """The state as the last event left it; change it in place or assign to it within a handler."""
        self.context_server: ContextMCPServer | None = None

    @classmethod
    def registered_name(cls) -> str:
        """The name under which the class is registered."""
        return cls.__dict__.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def agent_id(self) -> str:
        """The address as text: `name` or `name/key`."""
        return str(self.address)

    async def on_event(self, event: Event, context: Context) -> Any:
        """Handles one event and returns its JSON result.

        Everything that is sent through `context` leaves after the commit.
        """
        token = current_context.set(context)
        try:
            return await self.handle_event(event)
        finally:
            current_context.reset(token)

    async def handle_event(self, event: Event) -> Any:
        """Wake up, process, go back to sleep (specification row 71)."""
        result = await self.process(event)
        await self.save_state()
        return result

    async def process(self, event: Event) -> Any:
        """What the agent does with an event; the only method that a simple agent overrides."""
        raise ConfigurationError(
            f"{type(self).__name__} overrides neither on_event nor process: it cannot handle {event.type}"
        )

    async def initialize(self) -> None:
        """Creates the context server and loads the stored state (specification row 8): equal to what the last event
        left. Raises `StateUnreadable`.
        """
        self.context_server = self.context_server or ContextMCPServer(self.address)
        if self.context_server.in_turn:
            return  # the state is the turn's already
        await self.context_server.initialize()
        kind = type(self)
        codec = StateCodec(kind.state_type, kind.schema, kind.migrations, sys.maxsize)
        if self.context_server.etag or self.state is None:
            content = await self.context_server.state_bytes()
            self.state = codec.decode(content, self.context_server.head.schema)

    async def save_state(self) -> None:
        """Persists `self.state` through the context server.

        Within a turn this is a promise that the kernel keeps in its one commit; outside of one it is a commit of its
        own.
        """
        if current_context.get() is not None:
            return
        if self.context_server is None:
            await self.initialize()
        assert self.context_server is not None
        await self.context_server.save_state(self.state, type(self).schema)
