"""`python -m examples.boardroom`: the boardroom and its secretary in one process, on the embedded default.

The main thread serves as `aos up examples/boardroom/agents.py` does; another thread hands the proposals in over HTTP
and shows what is decided. The program ends with a table. Kill it at any moment and run it again: each proposal is put
to the directors once, each vote is counted once, and the table is the same.
"""

import contextlib
import sys
import threading
from pathlib import Path
from typing import Any

import httpx2

from AgentOperatingSystem import AOSConfig
from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.hosting.server import listen
from AgentOperatingSystem.ml.registry import Models
from examples.boardroom.screen import Screen
from examples.boardroom.secretary import Secretary, proposals
from examples.session import Session, config_of, serve_beside

APP = Path(__file__).with_name("agents.py")
DATA_DIR = Path(".aos/boardroom")


class Meeting(Session):
    """A session of the board, from the first proposal to the table."""

    def __init__(self, config: AOSConfig) -> None:
        super().__init__("session", config)
        self._screen = Screen()

    def play(self, url: str, token: str) -> None:
        """Hands everything in, and waits for every decision."""
        secretary = Secretary(url, token)
        agenda = proposals()
        self._screen.begin(len(agenda), self.config.model)
        threading.Thread(target=self._watch, args=(secretary,), name="publications", daemon=True).start()
        before = sum([self._submit(secretary, proposal) for proposal in agenda])
        decisions = [secretary.decision(proposal["id"]) for proposal in agenda]
        self.catch_up(lambda: self._published.total() >= len(decisions))
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
            for event in secretary.publications("board.decided"):
                if from_iso(event["time"]) >= self._began:
                    self._screen.decided(event["data"])
                self._published[event["subject"]] += 1


def _is_unthought(decision: dict[str, Any]) -> bool:
    return any(vote["vote"] == "none" for vote in decision["votes"])


def _free_port(host: str) -> int:
    with contextlib.closing(listen(host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def begin() -> Meeting:
    """Raises `AOSError` for a model that is not there: better now than in the first vote."""
    config = config_of(DATA_DIR, _free_port)
    Models(config).get()
    return Meeting(config)


def main() -> int:
    """Serves the boardroom and plays its secretary; answers the exit code."""
    return serve_beside(APP, begin)


if __name__ == "__main__":
    sys.exit(main())
