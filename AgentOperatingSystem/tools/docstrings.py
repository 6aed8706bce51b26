"""What a docstring says of a function and of its parameters: Google's `Args:` section and reST's `:param name:`."""

import inspect
import re
from typing import NamedTuple

_SECTION = re.compile(r"(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?|Attributes):\s*")
_ARGUMENTS = ("Args", "Arguments", "Parameters")
_ENTRY = re.compile(r"(\*{0,2}\w+)\s*(?:\([^)]*\))?:\s*(.*)")
_FIELD = re.compile(r":(param|type|returns?|rtype|raises|yields?)\b([^:]*):\s*(.*)")


class Described(NamedTuple):
    """The text before the first section, and a text for each parameter that has one."""

    summary: str
    parameters: dict[str, str]


def described(docstring: str | None) -> Described:
    """The docstring, taken apart."""
    summary: list[str] = []
    parameters: dict[str, str] = {}
    section, current = "", ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        if header := _SECTION.fullmatch(line):
            section, current = header[1], ""
        elif field := _FIELD.fullmatch(line):
            section, current = "fields", (field[2].split() or [""])[-1] if field[1] == "param" else ""
            _add(parameters, current, field[3])
        elif not section:
            summary.append(line)
        elif section in _ARGUMENTS and (entry := _ENTRY.fullmatch(line.strip())) and _indent(line) <= _STEP:
            current = entry[1].lstrip("*")
            _add(parameters, current, entry[2])
        else:
            _add(parameters, current, line.strip())
    return Described("\n".join(summary).strip(), parameters)


_STEP = 4


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _add(parameters: dict[str, str], name: str, text: str) -> None:
    if name:
        parameters[name] = f"{parameters.get(name, '')} {text}".strip()
