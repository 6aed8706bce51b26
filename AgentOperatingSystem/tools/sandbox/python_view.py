"""Starts processes of the cage's side of this package: which Python, with which environment, and what it may see."""

import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from AgentOperatingSystem.errors import ConfigurationError, SandboxUnavailable
from AgentOperatingSystem.tools.sandbox.cage.program import ENVIRONMENT
from AgentOperatingSystem.tools.sandbox.cage.request import View
from AgentOperatingSystem.tools.workers import ask

PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])
PACKAGES = "/packages"
PROBE_SECONDS_MAX = 30.0
ANSWER_BYTES_MAX = 1 << 20
_CAGE = "AgentOperatingSystem.tools.sandbox.cage"
_PROBE = f"import sys; sys.path.insert(0, sys.argv[1]); from {_CAGE}.probe import main; main(sys.argv[1])"
_MAIN = f"import sys; sys.path.insert(0, sys.argv[1]); from {_CAGE}.main import main; main()"


def command() -> list[str]:
    """Starts the first process of a cage: no site packages, no user's settings, nothing from the environment."""
    return _python(_MAIN)


def environment() -> dict[str, str]:
    """All that the cage's first process inherits; a Python that is a shared library also says where that lies."""
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return ENVIRONMENT
    return {**ENVIRONMENT, "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}


async def python_view(packages: Sequence[Path] = ()) -> View:
    """What a program may see: the standard library, the shared libraries that it needs, and the granted packages.

    Raises `SandboxUnavailable` where this Python cannot be looked at, and `ConfigurationError` for a package that is
    not there or whose name is taken.
    """
    granted = [_granted(package) for package in packages]
    names = [os.path.basename(package) for package in granted]
    if len(set(names)) < len(names):
        raise ConfigurationError(f"sandbox packages: two have the same name: {', '.join(sorted(names))}")
    view = await _probe()
    return view._replace(packages=granted, path=[*view.path, PACKAGES])


def _granted(package: Path) -> str:
    if not package.exists():
        raise ConfigurationError(f"sandbox packages: {package} is not there")
    return str(package.resolve())


async def _probe() -> View:
    answer = b""
    try:
        answer = await ask(
            _python(_PROBE),
            b"",
            environment=environment(),
            seconds_max=PROBE_SECONDS_MAX,
            size_max=ANSWER_BYTES_MAX,
            shows_errors=True,
        )
        return View(**json.loads(answer))
    except (OSError, TimeoutError) as error:
        raise SandboxUnavailable(f"sandbox: {sys.executable} cannot be started: {error}") from None
    except (ValueError, TypeError):
        complaint = answer.decode(errors="replace")[-500:].strip()
        raise SandboxUnavailable(f"sandbox: {sys.executable} cannot be looked at: {complaint}") from None


def _python(program: str) -> list[str]:
    if not sys.executable:
        raise SandboxUnavailable("sandbox: there is no Python executable to start; sys.executable is empty")
    return [sys.executable, "-I", "-S", "-X", "utf8", "-c", program, PACKAGE_ROOT]
