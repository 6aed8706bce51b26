"""The interpreter and its packages."""

import re
import sqlite3
import sys
from collections.abc import Iterator
from importlib import metadata

from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok

PYTHONS = ((3, 11), (3, 13))
SQLITE_MIN = (3, 35)
_DISTRIBUTION = "agent-operating-system"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


def checks() -> Iterator[Finding]:
    """Python, SQLite and the packages that the core needs."""
    yield python(sys.version_info[:2], sys.version.split()[0])
    yield sqlite(sqlite3.sqlite_version_info[:2], sqlite3.sqlite_version)
    yield packages()


def python(version: tuple[int, ...], text: str) -> Finding:
    """Whether this Python is a supported one."""
    first, last = PYTHONS
    if first <= version <= last:
        return ok("python", f"{text} at {sys.executable}")
    supported = f"{first[0]}.{first[1]} to {last[0]}.{last[1]}"
    return fault("python", f"{text} is not supported", f"install Python {supported} and make the environment anew")


def sqlite(version: tuple[int, ...], text: str) -> Finding:
    """Whether the SQLite that Python brings knows the statements that the store uses."""
    if version >= SQLITE_MIN:
        return ok("sqlite", text)
    return fault("sqlite", f"{text} is older than 3.35", "use a Python that was built with a newer SQLite")


def packages(distribution: str = _DISTRIBUTION) -> Finding:
    """Whether everything that the core requires is installed."""
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return fault("packages", f"{distribution} is not installed", f"pip install {distribution}")
    core = [found[0] for line in required if "extra ==" not in line and (found := _NAME.match(line))]
    missing = [name for name in core if not _is_installed(name)]
    if missing:
        return fault("packages", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return ok("packages", f"all {len(core)} that the core requires")


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
