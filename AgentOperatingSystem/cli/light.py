"""Commands whose parameters are read without pydantic, which typer would load (0.1 s) to make a text of a text.

Used by `app` and `command`; tests/unit/cli/test_startup.py sees to it that nothing heavy is loaded.
"""

from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

SUMMARY_LENGTH_MAX = 200
_EXPECTED: Final = {int: "a whole number", float: "a number"}


class Plain:
    """Reads the values of one parameter: texts, numbers, paths and flags."""

    def __init__(self, kind: type, minimum: float | None, maximum: float | None) -> None:
        self._kind = kind
        self._minimum = minimum
        self._maximum = maximum

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command gets it. Raises `typer.BadParameter`."""
        if value is None or isinstance(value, self._kind):
            return value
        try:
            read = self._kind(value)
        except ValueError:
            expected = _EXPECTED.get(self._kind, self._kind.__name__)
            raise typer.BadParameter(f"{value!r} is not {expected}", ctx=ctx, param=param) from None
        self._check(read, param, ctx)
        return read

    def _check(self, read: Any, param: Any, ctx: Any) -> None:
        low, high = self._minimum, self._maximum
        if (low is not None and not read >= low) or (high is not None and not read <= high):
            limits = f"at least {low}" if high is None else f"{low} to {high}"
            raise typer.BadParameter(f"{read} is not {limits}", ctx=ctx, param=param)


class LightCommand(TyperCommand):
    """A command that reads its own parameters."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))


class LightGroup(TyperGroup):
    """A group that reads its own parameters, and whose help lists its commands by section."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _lightened(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name, command in self.commands.items():
            section = getattr(command, "rich_help_panel", None) or "Commands"
            sections.setdefault(section, []).append((name, command.get_short_help_str(SUMMARY_LENGTH_MAX)))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl(rows)


def _lightened(params: list[Any]) -> list[Any]:
    """Fills the place in which typer (0.29) would keep its own reader; a typer that has no such place uses its own."""
    for param in params:
        described = getattr(param, "type_descriptor", None)
        if described is not None and described.annotation in (str, int, float, bool, Path):
            param._runtime_param = Plain(described.annotation, param.min, param.max)
    return params
