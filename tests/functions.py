"""A Functions host in a process of its own, with the real `function_app.py`: under Microsoft's runtime, or its SDK."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[1]
APP = ROOT / "tests" / "doors_app.py"
TOKEN = "a-token-for-tests"
MISSING = 3
"""The exit status of scripts/functions where there is no Python 3.13."""
COMMAND = "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"
_CLOUD = ("CONTAINER_NAME", "PYTHONDONTWRITEBYTECODE")


@cache
def runtime_python() -> str:
    """An interpreter that has the official runtime; empty where this machine has no Python 3.13.

    Where it has one and the runtime cannot be installed, this raises: what runs under it is not optional.
    """
    if sys.version_info[:2] >= (3, 13):
        return sys.executable
    made = subprocess.run([ROOT / "scripts" / "functions"], capture_output=True, text=True, timeout=280)
    if made.returncode == MISSING:
        return ""
    made.check_returncode()
    return str(ROOT / made.stdout.strip())


def python_of(engine: str) -> str:
    """The interpreter for an engine."""
    return runtime_python() if engine == "runtime" else sys.executable


class FunctionsHost:
    """The host's process, and a client of it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_up(self, seconds: float = 60.0) -> None:
        """Returns when it listens."""
        self.hears("listening on", seconds)
        found = re.search(r"listening on (http://\S+),", "\n".join(self.lines))
        assert found
        self.url = found[1]

    def hears(self, text: str, seconds: float = 30.0) -> None:
        """Returns when it has said `text`."""
        deadline = time.monotonic() + seconds
        while not any(text in line for line in list(self.lines)):
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, f"{text!r} was not said:\n{''.join(self.lines)}"
            time.sleep(0.02)

    def client(self, token: str = TOKEN) -> httpx2.Client:
        """A client of the app's HTTP doors."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def run(self, function: str, text: str = "", **metadata: Any) -> httpx2.Response:
        """Runs a function through the admin API."""
        body = {"input": text, "triggerMetadata": metadata}
        return httpx2.post(f"{self.url}/admin/functions/{function}", json=body, timeout=60, trust_env=False)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@contextmanager
def hosted(folder: Path, engine: str, **settings: Any) -> Iterator[FunctionsHost]:
    """Starts a host of the repository's function app, copied into `folder`, or of the one there, on a free port.

    Settings whose names are in capitals are put into the environment as they are.
    """
    folder.mkdir(exist_ok=True)
    for name in ("function_app.py", "host.json"):
        if not (folder / name).exists():
            shutil.copy(ROOT / name, folder)
    said = {"app": APP, "token": TOKEN, "data_dir": folder / ".aos", "backoff_base_seconds": 0.05} | settings
    values = {name if name.isupper() else f"AOS_{name.upper()}": str(value) for name, value in said.items()}
    (folder / "local.settings.json").write_text(json.dumps({"Values": values}))
    environment = {name: value for name, value in os.environ.items() if name not in _CLOUD}
    arguments = ["functions", "up", "--folder", str(folder), "--port", "0", "--engine", engine]
    command = [python_of(engine), "-c", COMMAND, *arguments]
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    host = FunctionsHost(process)
    try:
        host.wait_until_up()
        yield host
    finally:
        process.kill()
        process.wait()
        host._reader.join()
        assert process.stdout is not None
        process.stdout.close()
