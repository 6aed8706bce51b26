"""Functions that cancel jobs, by a name under which they are found again after a restart.

A tool with a `cancel` function is named here when it is made; the system agent that cancels jobs looks it up, in this
process or by importing its module anew.
"""

import importlib
from collections.abc import Callable
from typing import Any

from AgentOperatingSystem.errors import ConfigurationError, UnknownTool

_known: dict[str, Callable[..., Any]] = {}


def named(cancel: Callable[..., Any] | None) -> str:
    """`module:qualname` of a function, which is known under it from now on; empty for none.

    Raises `ConfigurationError` for one that could not be found again: a lambda, a closure, a method of an object.
    """
    if cancel is None:
        return ""
    module, qualname = getattr(cancel, "__module__", ""), getattr(cancel, "__qualname__", "")
    if not module or not qualname or "<" in qualname or not isinstance(getattr(cancel, "__self__", None), type | None):
        raise ConfigurationError(f"cancel={cancel!r} could not be found again: give a function at the top of a module")
    _known[f"{module}:{qualname}"] = cancel
    return f"{module}:{qualname}"


def found(name: str) -> Callable[..., Any]:
    """The function of that name. Raises `UnknownTool`."""
    if name in _known:
        return _known[name]
    module, _, qualname = name.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in qualname.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownTool(f"the function {name!r}, which cancels a job, cannot be found: {error}") from None
    if not callable(value):
        raise UnknownTool(f"{name!r}, which is to cancel a job, is no function")
    made: Callable[..., Any] = value
    return made
