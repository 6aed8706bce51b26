"""What `aos init` and `aos create agent` make: a project with an agent, and a further agent in a project.

The files lie in `template/` (the project) and `agents/` (one folder for each template of an agent) as they will be,
with `$name` (the project), `$package` (its Python package), `$module`, `$class` and `$title` (the agent) to be filled
in. `roster` writes a new agent into the module that names the agents.
"""

import json
import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Final, NamedTuple

from AgentOperatingSystem.cli.project.roster import with_agent
from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.errors import ConfigurationError, Conflict, InvalidInput

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_TITLE = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,63}")
TEMPLATES: Final = {
    "README.md": "README.md.txt",
    "pyproject.toml": "pyproject.toml.txt",
    ".gitignore": "gitignore.txt",
    "config/settings.json": "settings.json.txt",
    "$package/__init__.py": "package.py.txt",
    "$package/agents.py": "agents.py.txt",
    "tests/test_agents.py": "test_agents.py.txt",
}
AGENT_FILES: Final = {"$package/$module.py": "agent.py.txt", "tests/test_$module.py": "test.py.txt"}
GREETER: Final = "greeter"


class AgentTemplate(NamedTuple):
    """A template of a thinking agent: what it is called where nobody names it, and an event to begin with."""

    title: str
    example: str


AGENTS: Final = {
    "assistant": AgentTemplate("Assistant", '"How many days lie between 2026-01-01 and 2026-02-01?"'),
    "customer_support_agent": AgentTemplate("Customer Support", '"Where is my order A-2?"'),
    "code_review_agent": AgentTemplate("Code Review", '{"diff": "-x = 1\\n+x = 2"}'),
    "personal_assistant": AgentTemplate("Personal Assistant", '"What is there to do?"'),
}
"""The templates that make a thinking agent, by name (specification row 65)."""
_NOTE = """
Without a model the agent says that nobody thought; name one with `AOS_MODEL`, such as `openai/gpt-4o-mini`, and set the
provider's key.
"""


class Project(NamedTuple):
    """A project that was made."""

    folder: str
    files: list[str]
    agent: str
    example: str


class Added(NamedTuple):
    """An agent that was added to a project."""

    agent: str
    files: list[str]
    """The new ones first; the last is the module that names the agents."""


def make_project(name: str, parent: Path = Path(), template: str = GREETER) -> Project:
    """Makes the folder `name` in `parent`. Raises `InvalidInput` for a bad name or template, `Conflict` where it
    exists.
    """
    package = _package(name)
    _check_template(template, GREETER, *AGENTS)
    folder = parent / name
    if folder.exists():
        raise Conflict(f"{str(folder)!r} is there already; choose another name, or another place")
    words = {"name": name, "package": package} | _words(template)
    made = _files(template, words)
    for target, content in made.items():
        _write(folder / target, content)
    return Project(str(folder), list(made), words["agent"], words["example"])


def add_agent(title: str, template: str, folder: Path = Path()) -> Added:
    """Adds an agent to the project in `folder`: its module, its test, and its name to the project's agents.

    Raises `InvalidInput` for a bad title or template, `Conflict` where one of the files exists, `ConfigurationError`
    where there is no project, or its module of agents cannot be extended.
    """
    _check_template(template, *AGENTS)
    package, roster = _project_of(folder)
    words = {"package": package} | _agent_words(title)
    made = _filled_all(AGENT_FILES, f"agents/{template}", words)
    for target in made:
        if (folder / target).exists():
            raise Conflict(f"{target!r} is there already; choose another name")
    extended = with_agent(roster, load_app(f"{package}.{roster.stem}"), f"{package}.{words['module']}", words["class"])
    for target, content in made.items():
        _write(folder / target, content)
    roster.write_text(extended, "utf-8")
    return Added(words["agent"], [*made, str(roster.relative_to(folder))])


# --- inside ---------------------------------------------------------------------------------------------------


def _files(template: str, words: dict[str, str]) -> dict[str, str]:
    """The files of a project, by path."""
    if template == GREETER:
        return _filled_all(TEMPLATES, "template", words)
    shared = {target: file for target, file in TEMPLATES.items() if not target.startswith("tests/")}
    made = _filled_all(shared | {"$package/agents.py": "roster.py.txt"}, "template", words)
    return made | _filled_all(AGENT_FILES, f"agents/{template}", words)


def _words(template: str) -> dict[str, str]:
    """What differs between the templates of a project."""
    if template == GREETER:
        example = '{"name": "Ada"}'
        return {"agent": GREETER, "example": example, "wait": "5", "note": "", "requirement": "agent-operating-system"}
    title, example = AGENTS[template]
    more = {"example": example, "wait": "60", "note": _NOTE, "requirement": "agent-operating-system[autogen]"}
    return _agent_words(title) | more


def _agent_words(title: str) -> dict[str, str]:
    """How an agent's title is spelt as a module, an agent and a class. Raises `InvalidInput`."""
    parts = re.findall(r"[A-Za-z0-9]+", title)
    module = "_".join(parts).lower()
    if not _TITLE.fullmatch(title) or keyword.iskeyword(module) or module in ("agents", "__init__"):
        raise InvalidInput(f"agent name {title[:80]!r}: use letters, digits, ' ', '-' and '_', a letter first")
    kind = "".join(part[0].upper() + part[1:].lower() for part in parts)
    return {"title": title, "module": module, "agent": module, "class": kind}


def _check_template(template: str, *known: str) -> None:
    if template not in known:
        raise InvalidInput(f"there is no template {template[:80]!r}; there are {', '.join(known)}")


def _project_of(folder: Path) -> tuple[str, Path]:
    """The package of the project in a folder, and the file that names its agents. Raises `ConfigurationError`."""
    settings = folder / "config" / "settings.json"
    try:
        app: Any = json.loads(settings.read_text("utf-8")).get("app")
    except (OSError, ValueError, AttributeError):
        raise ConfigurationError(
            f"there is no project in {str(folder.resolve())!r}: {settings} names no app; make one with `aos init`"
        ) from None
    package, _, module = str(app).rpartition(".")
    roster = folder.joinpath(*package.split("."), f"{module}.py")
    if not package or not roster.is_file():
        raise ConfigurationError(f"{settings}: the app {app!r} is no module of a package here; add the agent by hand")
    return package, roster


def _package(name: str) -> str:
    """The Python package of a project. It must be possible to import it, and it must not hide another one."""
    package = name.lower().replace("-", "_")
    if not _NAME.fullmatch(name) or keyword.iskeyword(package):
        raise InvalidInput(f"project name {name[:80]!r}: use letters, digits, '-' and '_', a letter first")
    if package in sys.stdlib_module_names or package in ("agentoperatingsystem", "tests", "config"):
        raise InvalidInput(f"project name {name!r}: {package!r} is the name of another module; choose a different one")
    return package


def _filled_all(templates: dict[str, str], folder: str, words: dict[str, str]) -> dict[str, str]:
    """The contents of files, by path."""
    return {Template(target).substitute(words): _filled(folder, file, words) for target, file in templates.items()}


def _filled(folder: str, file: str, words: dict[str, str]) -> str:
    return Template(files(__package__).joinpath(*folder.split("/"), file).read_text("utf-8")).substitute(words)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
