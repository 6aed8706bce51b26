"""Agents of the system itself: the keeper of unrouted events, and the caller of subscribed functions.

Both are ordinary agents: their events are deduped, retried, quarantined and shown as everybody's are.
"""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import InvalidHandler, Quarantine
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.routes import UNROUTED

HANDLER = "aos.handler"
Handler = Callable[[Any], Any]


class Unrouted(BaseAgent):
    """Keeps events that no route matches, visible in the quarantine; redriving one routes it again."""

    name = UNROUTED

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.topic:
            raise Quarantine(
                f"a subscriber of {event.topic!r} has a key template that makes no key of this publication"
            )
        raise Quarantine(
            f"no declared route matches type {event.type!r}, source {event.source!r}, subject {event.subject!r}"
        )


class FunctionHandler(BaseAgent):
    """Calls the function that its key names (`module:qualname`) with the data of each event."""

    name = HANDLER
    bound: ClassVar[dict[str, Handler]] = {}
    """Functions that were subscribed in this process."""

    async def on_event(self, event: Event, context: Context) -> Any:
        handler = self.bound.get(self.address.key) or find_handler(self.address.key)
        outcome = handler(event.data)
        return await outcome if inspect.isawaitable(outcome) else outcome


def handler_name(handler: Handler) -> str:
    """`module:qualname` of a function, static method or class method, that can be found again after a restart.

    Raises `InvalidHandler` for closures, lambdas, local functions and methods of objects: an agent subscribes by its
    address.
    """
    module, qualname = getattr(handler, "__module__", ""), getattr(handler, "__qualname__", "")
    owner = getattr(handler, "__self__", None)
    of_an_object = owner is not None and not isinstance(owner, type | ModuleType)
    if not module or not qualname or "<" in qualname or of_an_object:
        raise InvalidHandler(
            f"handler {qualname or handler!r} cannot be found again after a restart: "
            "use a function at the top level of a module"
        )
    return f"{module}:{qualname}"


def find_handler(name: str) -> Handler:
    """The function of that name, imported anew. Raises `InvalidHandler`."""
    module, _, qualname = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidHandler(f"subscribed handler {name!r} cannot be found: {error}") from None
    if not callable(found):
        raise InvalidHandler(f"subscribed handler {name!r} is not callable")
    return found  # type: ignore[no-any-return]  # callable was just checked
