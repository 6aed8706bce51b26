"""The environment service: variables with their types, and the required ones checked at once (specification row 394).

Settings of AOS itself are read by `AOSConfig`; this is for what an application, or a place of secrets, needs besides.
"""

import os
from collections.abc import Mapping

from AgentOperatingSystem.errors import ConfigurationError

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class Environment:
    """Variables of this process. An empty one counts as not set; a message never repeats a value."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def require(self, *names: str) -> None:
        """Raises `ConfigurationError`, one line with all names that are not set."""
        missing = [name for name in names if not self._variables.get(name)]
        if missing:
            raise ConfigurationError(f"environment: {', '.join(missing)} must be set")

    def text(self, name: str, default: str | None = None) -> str:
        """The variable. Raises `ConfigurationError` where it is not set and there is no default."""
        value = self._variables.get(name) or default
        if value is None:
            raise ConfigurationError(f"environment {name}: is not set")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """The variable as a number. Raises `ConfigurationError`."""
        text = self.text(name, None if default is None else str(default))
        try:
            return float(text)
        except ValueError:
            raise ConfigurationError(f"environment {name}: is not a number") from None

    def flag(self, name: str, default: bool | None = None) -> bool:
        """The variable as true or false: 1/0, true/false, yes/no, on/off. Raises `ConfigurationError`."""
        text = self.text(name, None if default is None else str(default)).lower()
        if text not in _YES | _NO:
            raise ConfigurationError(f"environment {name}: is neither true nor false")
        return text in _YES
