"""A local host in a process of its own, seen from outside: what it says, where it listens, how it ends."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

ROOT = Path(__file__).parents[1]
APP = ROOT / "tests" / "doors_app.py"
TOKEN = "a-token-for-tests"


class Host(NamedTuple):
    """A process that serves."""

    process: subprocess.Popen[str]
    said: "queue.Queue[str]"
    errors: list[str]
    data: Path

    def hears(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """The first line from now on that matches."""
        deadline = time.monotonic() + seconds
        while True:
            line = self.said.get(timeout=max(0.01, deadline - time.monotonic()))
            found = re.search(pattern, line)
            if found:
                return found

    def client(self, token: str = TOKEN) -> httpx2.Client:
        """A client of the URL that it says next."""
        url = self.hears(r"listening on (\S+)")[1]
        return httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def end(self, signal: int, seconds: float = 30.0) -> int:
        """Sends a signal and answers the exit status."""
        self.process.send_signal(signal)
        return self.process.wait(seconds)


@contextmanager
def hosting(data: Path, *flags: str, app: Path = APP, **settings: Any) -> Iterator[Host]:
    """Starts a host on the folder `data` and a free port; kills it in the end where it still runs."""
    said = {"port": 0, "data_dir": str(data), "token": TOKEN, "backoff_base_seconds": 0.05} | settings
    command = [sys.executable, str(ROOT / "tests/e2e/serve_doors.py"), str(app), json.dumps(said), *flags]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=data, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        host = Host(process, queue.Queue(), [], data)
        readers = [
            threading.Thread(target=_read, args=(process.stdout, host.said.put), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, host.errors.append), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            yield host
        finally:
            process.kill()
            process.wait()
            for reader in readers:
                reader.join()


def _read(stream: Any, take: Any) -> None:
    for line in stream:
        take(line)
