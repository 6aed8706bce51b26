"""Plays the board's secretary: hands the proposals in over HTTP, and reads what became of them.

Each proposal has the same id at every run, so handing it in again changes nothing: the second answer is that of the
first.
"""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

FOLDER = Path(__file__).with_name("proposals")
SOURCE = "/boardroom/secretary"
SUBMIT_SECONDS = 60.0
"""How long the board may take to take a proposal up."""
DECISION_SECONDS = 600.0
"""How long the secretary waits for one decision; the board itself waits longer."""


def proposals() -> list[dict[str, Any]]:
    """The committed proposals, in order; each has an `id`."""
    return [{"id": path.stem, **json.loads(path.read_text())} for path in sorted(FOLDER.glob("*.json"))]


class Secretary:
    """A client of one boardroom."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def submit(self, proposal: dict[str, Any]) -> dict[str, Any]:
        """Hands a proposal in, and answers the outcome of that: the board has it, and has asked the directors."""
        event = {
            "type": "proposal.submitted",
            "id": proposal["id"],
            "source": SOURCE,
            "subject": proposal["id"],
            "data": {name: value for name, value in proposal.items() if name != "id"},
        }
        accepted = self._accepted(event)
        deadline = time.monotonic() + SUBMIT_SECONDS
        while (outcome := _document(self._http.get(accepted["outcome"])))["status"] in ("pending", "parked"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{proposal['id']} is still {outcome['status']} after {SUBMIT_SECONDS:g} s")
            time.sleep(0.02)
        return outcome

    def _accepted(self, event: dict[str, Any]) -> dict[str, Any]:
        """How the event was accepted; waits as long as the boardroom asks where it is busy."""
        while True:
            answer = self._http.post("/api/v1/events", json=event)
            if answer.status_code not in (429, 503):
                return _document(answer)
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    def state(self, proposal: str) -> dict[str, Any]:
        """What the board knows of a proposal."""
        return _document(self._http.get("/api/v1/agents/board/state", params={"key": proposal}))

    def decision(self, proposal: str) -> dict[str, Any]:
        """The decision, as soon as it is committed. Raises `TimeoutError`."""
        deadline = time.monotonic() + DECISION_SECONDS
        while (decision := self.state(proposal)["decision"]) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{proposal} is not decided after {DECISION_SECONDS:g} s")
            time.sleep(0.02)
        found: dict[str, Any] = decision
        return found

    def publications(self) -> Iterator[dict[str, Any]]:
        """Everything that was ever published on `board.decided`, and what is from then on; no end."""
        query = {"topic": "board.decided", "after": "0"}
        with self._http.stream("GET", "/api/v1/publications", params=query, timeout=None) as answer:
            for event in httpx2.EventSource(answer):
                if event.data:  # the first block only says where the stream begins
                    yield json.loads(event.data)


def wait_until_open(url: str, is_stopped: Callable[[], bool]) -> bool:
    """Waits for the boardroom to answer; False where it stops before it does."""
    while not is_stopped():
        try:
            if httpx2.get(f"{url}/health/live", timeout=1).status_code == 200:
                return True
        except httpx2.TransportError:
            time.sleep(0.02)
    return False


def _document(answer: httpx2.Response) -> dict[str, Any]:
    answer.raise_for_status()
    document: dict[str, Any] = answer.json()
    return document
