"""Small functions, small files: the ceilings are fixed, and the median is a ratchet (it may be lowered, not raised)."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "AgentOperatingSystem").rglob("*.py"))
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN_MAX = 11
FILE_LINES_MAX = 400

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_without_docstring(function: Function) -> list[ast.stmt]:
    has_docstring = ast.get_docstring(function, clean=False) is not None
    return function.body[1:] if has_docstring else function.body


def is_declaration(function: Function) -> bool:
    """A protocol's or an overload's function: a docstring or `...` and no code, so its length says nothing."""
    return all(
        isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body_without_docstring(function)
    )


def lines_of(function: Function) -> int:
    """From `def` to the last line, docstring excluded."""
    end = function.end_lineno or function.lineno
    documented = [each for each in function.body if each not in body_without_docstring(function)]
    docstring = sum((each.end_lineno or each.lineno) - each.lineno + 1 for each in documented)
    return end - function.lineno + 1 - docstring


def functions() -> Iterator[tuple[str, int]]:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, Function) and not is_declaration(node):
                yield f"{source.relative_to(ROOT)}:{node.lineno} {node.name}", lines_of(node)


def test_no_function_is_too_long() -> None:
    assert [(where, lines) for where, lines in functions() if lines > FUNCTION_LINES_MAX] == []


def test_functions_rest_at_their_median() -> None:
    assert median(lines for _, lines in functions()) <= FUNCTION_LINES_MEDIAN_MAX


def test_no_file_is_too_long() -> None:
    sizes = {str(source.relative_to(ROOT)): len(source.read_text().splitlines()) for source in SOURCES}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_LINES_MAX} == {}
