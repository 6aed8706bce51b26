"""`@Action("analyze_topic")`: a method of an agent that the doors list by name, and run with checked input.

The registry reads what a class declares; the HTTP API, the `aos` command and MCP list it, check the input and send an
event of type `action.{name}`; `Agent` runs the method for it. So an action is an event like every other: applied
exactly once, with an outcome that can be asked for.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:
    from AgentOperatingSystem.tools.signatures import Signature

ACTION: Final = "action."
"""What the types of actions' events begin with."""
_MARK: Final = "__aos_action__"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
Method = TypeVar("Method", bound=Callable[..., Any])


class Action:
    """Above a method of an `Agent` (specification row 137): its type hints become the JSON schema of its input, its
    docstring the description. The method can still be called. Raises `ConfigurationError` for a name that is none.
    """

    def __init__(self, name: str, description: str = "") -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"action {name!r}: write @Action('name') with letters, digits, '_' or '-'")
        self.name = name
        self.description = description

    def __call__(self, method: Method) -> Method:
        setattr(method, _MARK, self)
        return method


class DeclaredAction:
    """An action of a class, as the doors see it."""

    def __init__(self, action: Action, attribute: str, function: Callable[..., Any]) -> None:
        self.name = action.name
        self.type = f"{ACTION}{action.name}"
        """The type of the event that runs it."""
        self.attribute = attribute
        self._function = function
        self._description = action.description

    @property
    def description(self) -> str:
        """What it does; the first paragraph of the method's docstring where nothing else is said."""
        documented = inspect.cleandoc(self._function.__doc__ or "").partition("\n\n")[0]
        return self._description or documented

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of its input. Raises `ConfigurationError` for a method whose parameters have no hints."""
        return self._signature.schema

    def checked(self, given: Any) -> dict[str, Any]:
        """The input as the method takes it; None is no input. Raises `InvalidInput` and names what is wrong."""
        if given is not None and not isinstance(given, Mapping):
            raise InvalidInput(f"{self.name}: its input is a JSON object, with its parameters by name")
        return self._signature.checked(given or {})

    @cached_property
    def _signature(self) -> "Signature":
        from AgentOperatingSystem.tools.docstrings import described
        from AgentOperatingSystem.tools.signatures import Signature  # pydantic, which not every agent needs

        try:
            method = MethodType(self._function, object())  # without `self`
            return Signature(self.name, method, described(self._function.__doc__))
        except ConfigurationError as error:
            raise ConfigurationError(str(error).replace("tool ", "action ", 1)) from None


def actions_of(kind: type) -> dict[str, DeclaredAction]:
    """The actions of a class and its bases, by name; a method that is overridden stays one.

    Raises `ConfigurationError` where two methods have one name.
    """
    marks: dict[str, Action] = {}
    for base in reversed(kind.__mro__):
        marks |= {name: getattr(value, _MARK) for name, value in vars(base).items() if hasattr(value, _MARK)}
    declared: dict[str, DeclaredAction] = {}
    for attribute, action in marks.items():
        if action.name in declared:
            raise ConfigurationError(f"{kind.__name__}: two actions are named {action.name!r}")
        declared[action.name] = DeclaredAction(action, attribute, getattr(kind, attribute))
    return declared
