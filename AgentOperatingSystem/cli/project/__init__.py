"""What `aos init` makes: a project with one agent, its test, its settings, and what a reader needs to begin.

The files lie in `template/` as they will be, with `$name` (the project) and `$package` (its Python package) to be
filled in.
"""

import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

from AgentOperatingSystem.errors import Conflict, InvalidInput

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
TEMPLATES: Final = {
    "README.md": "README.md.txt",
    "pyproject.toml": "pyproject.toml.txt",
    ".gitignore": "gitignore.txt",
    "config/settings.json": "settings.json.txt",
    "$package/__init__.py": "package.py.txt",
    "$package/agents.py": "agents.py.txt",
    "tests/test_agents.py": "test_agents.py.txt",
}


class Project(NamedTuple):
    """A project that was made."""

    folder: str
    files: list[str]


def make_project(name: str, parent: Path = Path()) -> Project:
    """Makes the folder `name` in `parent`. Raises `InvalidInput` for a bad name, `Conflict` where it exists."""
    package = _package(name)
    folder = parent / name
    if folder.exists():
        raise Conflict(f"{str(folder)!r} is there already; choose another name, or another place")
    words = {"name": name, "package": package}
    for target, template in TEMPLATES.items():
        path = folder / Template(target).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(template, words), "utf-8")
    return Project(str(folder), [Template(target).substitute(words) for target in TEMPLATES])


def _package(name: str) -> str:
    """The Python package of a project. It must be possible to import it, and it must not hide another one."""
    package = name.lower().replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise InvalidInput(f"project name {name[:80]!r}: use letters, digits, '-' and '_', a letter first")
    if package in sys.stdlib_module_names or package in ("agentoperatingsystem", "tests", "config"):
        raise InvalidInput(f"project name {name!r}: {package!r} is the name of another module; choose a different one")
    return package


def _filled(template: str, words: dict[str, str]) -> str:
    return Template(files(__package__).joinpath("template", template).read_text("utf-8")).substitute(words)
