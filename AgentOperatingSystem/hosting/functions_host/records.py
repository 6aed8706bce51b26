"""The words of the local Functions host: a function, what triggers it, and the engine that runs it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.hosting.functions_host.app_settings import AppSettings

RUNTIME = "azure_functions_runtime"
"""Microsoft's package, which there is for Python 3.13 and later."""
Kind = Literal["json", "string", "bytes", "collection_bytes", "http"]


class InvocationFailed(AOSError):
    """A function raised; the message is what it raised, the log has the traceback."""


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function."""

    id: str
    name: str
    bindings: tuple[Mapping[str, Any], ...]
    """As in a function.json."""

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that starts it."""
        return next(binding for binding in self.bindings if str(binding["type"]).lower().endswith("trigger"))

    def is_on(self, trigger: str) -> bool:
        """Whether `trigger`, such as `timerTrigger`, starts it."""
        return str(self.trigger["type"]).lower() == trigger.lower()


@dataclass(frozen=True, slots=True)
class Datum:
    """A value in the host's wire format."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Payload:
    """What a trigger hands to its function."""

    datum: Datum
    metadata: Mapping[str, Datum] = field(default_factory=dict)


class Engine(Protocol):
    """Runs the functions of one app, in the event loop that started it."""

    name: str

    async def start(self, folder: Path) -> Sequence[Function]:
        """Loads `function_app.py` of a folder. Raises `ConfigurationError` where it cannot be indexed."""
        ...

    @property
    def http_address(self) -> str:
        """Where the worker's own web server listens; requests go there with the id of their invocation."""
        ...

    async def invoke(self, function: Function, payload: Payload, invocation_id: str = "") -> None:
        """Runs a function. Raises `InvocationFailed`."""
        ...


class Instance(Protocol):
    """The host, as its pollers use it."""

    settings: AppSettings
    draining: asyncio.Event
    """Set when nothing new is to begin."""

    async def attempt(self, function: Function, payload: Payload) -> bool:
        """Runs a function and says whether it succeeded; a failure is logged."""
        ...
