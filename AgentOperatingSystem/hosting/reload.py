"""`--reload`: notices that the user's files changed, and starts the program anew with the same arguments.

The agents' state is in the store, so nothing of it is lost; a program that begins from the start has no old code in any
corner, as reloading modules would.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from AgentOperatingSystem.clock import Clock

POLL_SECONDS = 0.4
_FOREIGN = ("site-packages", "dist-packages")
_OWN = Path(__file__).parents[1]

Stamps = dict[Path, int]
"""When each file was last written, in nanoseconds."""


def app_folder(spec: str) -> Path:
    """The folder that the app's own files lie in: beside a file, or the current directory for a dotted module."""
    path = Path(spec)
    is_file = spec.endswith(".py") or "/" in spec or "\\" in spec
    return (path if path.is_dir() else path.parent).resolve() if is_file else Path.cwd()


def stamps(folder: Path) -> Stamps:
    """The Python files directly in `folder`, and every loaded module beneath it that is neither installed nor ours."""
    return {path: path.stat().st_mtime_ns for path in {*folder.glob("*.py"), *_loaded(folder)} if path.is_file()}


async def until_changed(folder: Path, before: Stamps, clock: Clock) -> Path:
    """The file that changed first since `before`, or since it was loaded. Returns when there is one."""
    known = stamps(folder) | before
    while (changed := _difference(known, stamps(folder))) is None:
        await clock.sleep(POLL_SECONDS)
    return changed


def wait_until_changed(folder: Path, before: Stamps) -> Path:
    """The same where there is no loop, because the app could not be loaded."""
    while (changed := _difference(before, stamps(folder))) is None:
        time.sleep(POLL_SECONDS)
    return changed


def restart() -> int:
    """Becomes a new process image with the same arguments; where the system has no such thing, waits for a child."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = [sys.executable, *sys.orig_argv[1:]]
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(sys.executable, command)


def _loaded(folder: Path) -> Iterator[Path]:
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and not any(part in file for part in _FOREIGN):
            path = Path(file).resolve()
            if path.is_relative_to(folder) and not path.is_relative_to(_OWN):
                yield path


def _difference(before: Stamps, now: Stamps) -> Path | None:
    """A file that was there at both times and changed, or that is gone; one that is only loaded now does not count."""
    return next((path for path, stamp in before.items() if now.get(path) != stamp), None)
