"""What configuration files hold beside settings: the application's own values, and apps whose agents are to be there.

`settings` reads them once; `AgentOperatingSystem.initialize` registers the agents. Specification rows 2, 392 and 393.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from AgentOperatingSystem.config.layers import APPS, SECTION, interpolated, trees
from AgentOperatingSystem.errors import ConfigurationError


class DeclaredAgent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `PurposeDrivenAgent`, by its arguments."""

    agent_id: str
    purpose: str
    adapter_name: str = ""
    model: str = ""


class DeclaredApp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One app: a module whose agents are registered, agents declared here, or both."""

    name: str
    app: str = ""
    """`package.module` or `path/app.py`."""
    agents: tuple[DeclaredAgent, ...] = ()


class Sections(NamedTuple):
    """All files together."""

    application: Mapping[str, Any]
    apps: tuple[DeclaredApp, ...]


def read_sections(directory: Path, environ: Mapping[str, str]) -> Sections:
    """What the directory's files hold. Raises `ConfigurationError`: a shape that is none, or a name given twice."""
    application: dict[str, Any] = {}
    apps: dict[str, DeclaredApp] = {}
    for path, tree in trees(directory):
        own = interpolated(tree.get(SECTION) or {}, environ, f"{path}: {SECTION}")
        if not isinstance(own, dict):
            raise ConfigurationError(f"{path}: {SECTION} must be an object")
        _add(path, application, own)
        _add(
            path, apps, {app.name: app for app in _apps(path, interpolated(tree.get(APPS), environ, f"{path}: {APPS}"))}
        )
    return Sections(application, tuple(apps.values()))


def _add(path: Path, all_of_them: dict[str, Any], more: Mapping[str, Any]) -> None:
    twice = sorted(all_of_them.keys() & more.keys())
    if twice:
        raise ConfigurationError(f"{path}: {', '.join(twice)}: is already in another file")
    all_of_them.update(more)


def _apps(path: Path, given: Any) -> list[DeclaredApp]:
    try:
        found = msgspec.convert(given or [], list[DeclaredApp])
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {APPS}: {error}") from None
    for app in found:
        if not app.app and not app.agents:
            raise ConfigurationError(f"{path}: {APPS}: {app.name!r} names neither an app nor agents")
    return found
