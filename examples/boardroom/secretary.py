"""Plays the board's secretary: hands the proposals in over HTTP, and reads what became of them.

Each proposal has the same id at every run, so handing it in again changes nothing: the second answer is that of the
first.
"""

import json
import time
from pathlib import Path
from typing import Any

from examples.client import SECONDS_BETWEEN_LOOKS, Client

FOLDER = Path(__file__).with_name("proposals")
SOURCE = "/boardroom/secretary"
SUBMIT_SECONDS = 60.0
"""How long the board may take to take a proposal up."""
DECISION_SECONDS = 600.0
"""How long the secretary waits for one decision; the board itself waits longer."""


def proposals() -> list[dict[str, Any]]:
    """The committed proposals, in order; each has an `id`."""
    return [{"id": path.stem, **json.loads(path.read_text())} for path in sorted(FOLDER.glob("*.json"))]


class Secretary(Client):
    """A client of one boardroom."""

    def submit(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """Hands a proposal in, and answers the outcome of that: the board has it, and has asked the directors."""
        event = {
            "type": "proposal.submitted",
            "id": proposal["id"],
            "source": SOURCE,
            "subject": proposal["id"],
            "data": {name: value for name, value in proposal.items() if name != "id"},
        }
        return self.end_of(self.post("/api/v1/events", json=event), SUBMIT_SECONDS)

    def decision(self, proposal: str) -> dict[str, Any]:
        """The decision, as soon as it is committed. Raises `TimeoutError`."""
        deadline = time.monotonic() + DECISION_SECONDS
        while (decision := self.state("board", proposal)["decision"]) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{proposal} is not decided after {DECISION_SECONDS:g} s")
            time.sleep(SECONDS_BETWEEN_LOOKS)
        found: dict[str, Any] = decision
        return found
