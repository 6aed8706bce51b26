"""The module that names a project's agents, with one more of them: `add_agent` asks, and writes what comes back.

The source is edited as text at places that its syntax tree names, so that everything else in it stays as it is.
"""

import ast
from pathlib import Path
from types import ModuleType

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.orchestration.applications import agents_of


def with_agent(path: Path, app: ModuleType, module: str, name: str) -> str:
    """The source of `path`, loaded as `app`, that also imports the class `name` from `module` and names it in `agents`.

    Where there is no list `agents` yet, one is made of the agents that are there. Raises `ConfigurationError` where
    `agents` is no list that is written out.
    """
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    lines = source.splitlines(keepends=True)
    named = _named(tree)
    if named is None:
        present = [each.__name__ for each in agents_of(app) if isinstance(each, type)]
        lines.append(f"\n\nagents = [{', '.join([*present, name])}]\n")
    elif isinstance(named.value, ast.List) and named.value.end_lineno is not None:
        _insert(lines, named.value, name)
    else:
        raise ConfigurationError(
            f"{path}:{named.lineno}: `agents` is not a list that is written out; add {name} by hand"
        )
    place = _after_imports(tree)
    follows_own = place > 0 and lines[place - 1].startswith(f"from {module.rpartition('.')[0]}.")
    lines.insert(place, f"{'' if follows_own else chr(10)}from {module} import {name}\n")
    return "".join(lines)


def _named(tree: ast.Module) -> ast.Assign | ast.AnnAssign | None:
    """The statement that assigns `agents`."""
    for statement in tree.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(statement, ast.Assign | ast.AnnAssign) and any(
            isinstance(target, ast.Name) and target.id == "agents" for target in targets
        ):
            return statement
    return None


def _insert(lines: list[str], found: ast.List, name: str) -> None:
    """Writes the name behind the last element of a list."""
    if not found.elts:
        row, column, text = found.lineno - 1, found.col_offset + 1, name
    else:
        last = found.elts[-1]
        row, column, text = (last.end_lineno or last.lineno) - 1, last.end_col_offset or 0, f", {name}"
    line = lines[row].encode()  # the tree counts bytes
    lines[row] = (line[:column] + text.encode() + line[column:]).decode()


def _after_imports(tree: ast.Module) -> int:
    """The number of the line behind the last import at the top of the module, or behind its docstring."""
    behind = 0
    for place, statement in enumerate(tree.body):
        is_docstring = place == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if not (is_docstring or isinstance(statement, ast.Import | ast.ImportFrom)):
            break
        behind = statement.end_lineno or behind
    return behind
