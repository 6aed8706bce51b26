"""`python -m examples.triage_desk`: the desk and its GitHub in one process, on the embedded default.

The main thread serves as `aos up examples/triage_desk/agents.py` does; another thread plays GitHub and shows what
happens. With `ONCE=1` the program ends by itself. Kill it at any moment and run it again: the agents remember, nothing
is lost or done twice.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from AgentOperatingSystem import AOSConfig, AOSError
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.hosting.local import serve
from AgentOperatingSystem.hosting.tokens import token_of
from examples.triage_desk.github import GitHub, deliveries, wait_until_open
from examples.triage_desk.screen import Screen

APP = Path(__file__).with_name("agents.py")
DATA_DIR = Path(".aos/triage_desk")
PORT = 8080
STREAM_SECONDS = 10.0
"""How long the last publication may take to be seen."""


class Visit(threading.Thread):
    """Plays GitHub, from the first delivery to the table."""

    def __init__(self, config: AOSConfig, *, once: bool) -> None:
        super().__init__(name="github", daemon=True)
        self.desk_is_closed = threading.Event()
        self.exit_code = 0
        self._config = config
        self._once = once
        self._began = time.time()
        self._url = f"http://{config.host}:{config.port}"
        self._screen = Screen()
        self._published: Counter[str] = Counter()

    def run(self) -> None:
        try:
            if wait_until_open(self._url, self.desk_is_closed.is_set):
                self._visit(GitHub(self._url, token_of(self._config).text))
        except Exception as error:
            if not self.desk_is_closed.is_set():
                print(f"the visit broke off: {type(error).__name__}: {error}", file=sys.stderr)
                self.exit_code = 1
        if self._once:
            signal.raise_signal(signal.SIGINT)

    def _visit(self, github: GitHub) -> None:
        total = len(deliveries())
        self._screen.begin(total)
        threading.Thread(target=self._watch, args=(github,), name="publications", daemon=True).start()
        before, ends = self._post_all(github)
        desk = github.desk()
        self._catch_up(sum(state["deliveries"] for _, state in desk))
        self._screen.table(desk, self._published)
        self._screen.end(total, before, total - ends["done"])
        self._screen.how_to_go_on(_how_to_go_on(self._config, self._url, once=self._once))

    def _post_all(self, github: GitHub) -> tuple[int, Counter[str]]:
        """Posts everything and waits for every end; says how many were applied before, and how all of them ended."""
        before, ends = 0, Counter[str]()
        with ThreadPoolExecutor(
            max_workers=1
        ) as poster:  # one keeps the order; it does not wait for what becomes of them
            posted = [(delivery, poster.submit(github.post, delivery)) for delivery in deliveries()]
            for delivery, accepted in posted:
                outcome = github.end_of(accepted.result())
                ends[outcome["status"]] += 1
                if from_iso(outcome["finished_at"]) < self._began:
                    self._screen.applied_before(delivery, outcome)
                    before += 1
        return before, ends

    def _watch(self, github: GitHub) -> None:
        """Counts everything that was ever published, and shows what is published now, until the desk closes."""
        with contextlib.suppress(httpx2.TransportError):
            for event in github.publications():
                if from_iso(event["time"]) >= self._began:
                    self._screen.published(event)
                self._published[event["subject"]] += 1

    def _catch_up(self, handled: int) -> None:
        """Waits until the stream has brought the publication of every delivery."""
        deadline = time.monotonic() + STREAM_SECONDS
        while self._published.total() < handled and time.monotonic() < deadline:
            time.sleep(0.01)


def desk_config() -> AOSConfig:
    """The configuration of this folder and environment; where it says nothing, a data folder and a port of our own."""
    given = AOSConfig()
    data_dir = DATA_DIR if given.origin("data_dir") == "default" else given.data_dir
    port = _free_port(given.host) if given.origin("port") == "default" else given.port
    return AOSConfig(data_dir=data_dir, port=port)


def _free_port(host: str) -> int:
    """The first port from 8080 on where nobody answers."""
    for port in range(PORT, PORT + 100):
        try:
            socket.create_connection((host, port), timeout=0.5).close()
        except OSError:
            return port
    return PORT


def _how_to_go_on(config: AOSConfig, url: str, *, once: bool) -> list[str]:
    where = f"--data {config.data_dir}" + ("" if config.port == PORT else f" --url {url}")
    star = '{"repository": {"stargazers_count": 2}, "sender": {"login": "you"}}'
    lines = [
        "",
        "Send the next one:",
        f"  aos send repo/octo-org/octo-repo '{star}' --type github.star.created --wait 5 {where}",
        f"  curl '{url}/api/v1/agents/repo/events?key=octo-org/octo-repo&wait=5' \\",
        f'       -H "Authorization: Bearer $(cat {config.data_dir}/token)" -H "Content-Type: application/json" \\',
        f'       -d \'{{"type": "github.star.created", "data": {star}}}\'',
        "and see what the agent remembers:",
        f"  aos state repo/octo-org/octo-repo {where}",
        "",
    ]
    return (
        lines
        if once
        else [*lines, "The desk stays open until Ctrl-C. Kill it with -9 whenever you like; run it again."]
    )


def main() -> int:
    """Serves the desk and plays GitHub; answers the exit code."""
    try:
        config = desk_config()
        visit = Visit(config, once=bool(os.environ.get("ONCE")))
        visit.start()
        code = serve(config, str(APP), door=create_app)
        visit.desk_is_closed.set()
        return code or visit.exit_code
    except AOSError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
