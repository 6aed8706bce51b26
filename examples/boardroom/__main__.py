"""`python -m examples.boardroom`: the boardroom and its secretary in one process, on the embedded default.

The main thread serves as `aos up examples/boardroom/agents.py` does; another thread hands the proposals in over HTTP
and shows what is decided. The program ends with a table. Kill it at any moment and run it again: each proposal is put
to the directors once, each vote is counted once, and the table is the same.
"""

import contextlib
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2

from AgentOperatingSystem import AOSConfig, AOSError
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.hosting.local import serve
from AgentOperatingSystem.hosting.server import listen
from AgentOperatingSystem.hosting.tokens import token_of
from AgentOperatingSystem.ml.registry import Models
from examples.boardroom.screen import Screen
from examples.boardroom.secretary import Secretary, proposals, wait_until_open

APP = Path(__file__).with_name("agents.py")
DATA_DIR = Path(".aos/boardroom")
STREAM_SECONDS = 10.0
"""How long the last publication may take to be seen."""


class Session(threading.Thread):
    """A session of the board, from the first proposal to the table."""

    def __init__(self, config: AOSConfig) -> None:
        super().__init__(name="secretary", daemon=True)
        self.room_is_closed = threading.Event()
        self.exit_code = 0
        self._config = config
        self._began = time.time()
        self._url = f"http://{config.host}:{config.port}"
        self._screen = Screen()
        self._published: Counter[str] = Counter()

    def run(self) -> None:
        try:
            if wait_until_open(self._url, self.room_is_closed.is_set):
                self._meet(Secretary(self._url, token_of(self._config).text))
        except Exception as error:
            if not self.room_is_closed.is_set():
                print(f"the session broke off: {type(error).__name__}: {error}", file=sys.stderr)
                self.exit_code = 1
        signal.raise_signal(signal.SIGINT)

    def _meet(self, secretary: Secretary) -> None:
        agenda = proposals()
        self._screen.begin(len(agenda), self._config.model)
        threading.Thread(target=self._watch, args=(secretary,), name="publications", daemon=True).start()
        before = sum([self._submit(secretary, proposal) for proposal in agenda])
        decisions = [secretary.decision(proposal["id"]) for proposal in agenda]
        self._catch_up(len(decisions))
        self._screen.table(decisions, self._published)
        self._screen.end(len(agenda), before, sum(map(_is_unthought, decisions)))

    def _submit(self, secretary: Secretary, proposal: dict[str, Any]) -> bool:
        """Hands a proposal in; says whether it was applied in an earlier run."""
        outcome = secretary.submit(proposal)
        if outcome["status"] != "done":
            raise RuntimeError(f"{proposal['id']} ended as {outcome['status']}: {outcome['reason']}")
        before = from_iso(outcome["finished_at"]) < self._began
        self._screen.submitted(proposal["id"], before=before)
        return before

    def _watch(self, secretary: Secretary) -> None:
        """Counts every decision that was ever published, and shows those that are published now."""
        with contextlib.suppress(httpx2.TransportError):
            for event in secretary.publications():
                if from_iso(event["time"]) >= self._began:
                    self._screen.decided(event["data"])
                self._published[event["subject"]] += 1

    def _catch_up(self, decided: int) -> None:
        """Waits until the stream has brought every decision."""
        deadline = time.monotonic() + STREAM_SECONDS
        while self._published.total() < decided and time.monotonic() < deadline:
            time.sleep(0.01)


def _is_unthought(decision: dict[str, Any]) -> bool:
    return any(vote["vote"] == "none" for vote in decision["votes"])


def room_config() -> AOSConfig:
    """The configuration of this folder and environment; where it says nothing, a data folder and a port of our own."""
    given = AOSConfig()
    data_dir = DATA_DIR if given.origin("data_dir") == "default" else given.data_dir
    port = _free_port(given.host) if given.origin("port") == "default" else given.port
    return AOSConfig(data_dir=data_dir, port=port)


def _free_port(host: str) -> int:
    with contextlib.closing(listen(host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def main() -> int:
    """Serves the boardroom and plays its secretary; answers the exit code."""
    try:
        config = room_config()
        Models(config).get()  # a model that is not there is said now, and not in the first vote
        session = Session(config)
        session.start()
        code = serve(config, str(APP), door=create_app)
        session.room_is_closed.set()
        return code or session.exit_code
    except AOSError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
