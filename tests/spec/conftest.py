"""Runs the specification's own text: `await execute("circuit_breaker", before="…", external_service=…)`.

`snippets/` holds the fenced snippets of the specification as they are printed there, each below a line that names its
heading. What a test puts around one, in lines and in names, is at most five.
"""

import ast
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

SNIPPETS = Path(__file__).parent / "snippets"
AROUND_MAX = 5


def text_of(name: str) -> str:
    header, _, text = (SNIPPETS / f"{name}.py.txt").read_text().partition("\n")
    assert header.startswith("# Specification: ")
    return text


async def execute_snippet(name: str, *, before: str = "", after: str = "", **names: Any) -> dict[str, Any]:
    """Runs the snippet, `await` at its top level included, and returns the names that it leaves."""
    around = len(before.splitlines()) + len(after.splitlines()) + len(names)
    assert around <= AROUND_MAX, f"{around} lines around the specification's text"
    source = "\n".join((before, text_of(name), after))
    code = compile(source, f"{name}.py.txt", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace = {"__name__": name, **names}
    running = eval(code, namespace)
    if isawaitable(running):
        await running
    return namespace


@pytest.fixture
def snippet() -> Callable[[str], str]:
    """The text of a snippet by name."""
    return text_of


@pytest.fixture
def execute() -> Callable[..., Awaitable[dict[str, Any]]]:
    """`execute_snippet`."""
    return execute_snippet
