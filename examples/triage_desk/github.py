"""Plays GitHub: posts the recorded deliveries over HTTP, one after the other, as GitHub's servers do.

A delivery is accepted with 202 when it is durable, and handled in its own time. Each has the same `X-GitHub-Delivery`
at every run, so posting it again changes nothing: the second answer is that of the first.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx2

Desk = list[tuple[str, dict[str, Any]]]
"""Agents with their states."""
FOLDER = Path(__file__).with_name("deliveries")
END_SECONDS = 60.0
"""How long the last accepted delivery may take to be handled."""
TEAM_SECONDS = 120.0
"""How long the desk is watched while its team still talks; what it says later is kept all the same."""


@dataclass(frozen=True)
class Delivery:
    """One recorded webhook delivery; the folder is the event's name."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(FOLDER).as_posix()

    @property
    def event(self) -> str:
        return self.path.parent.name

    @property
    def id(self) -> str:
        """The same at every run, and another for every file."""
        return str(uuid5(NAMESPACE_URL, f"github-webhooks/{self.name}"))


def deliveries() -> list[Delivery]:
    """All recorded deliveries, in the order in which they are posted."""
    return [Delivery(path) for path in sorted(FOLDER.glob("*/*.json"))]


def triage_of(state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the team said of a repository's issues and pull requests, by number."""
    found: dict[str, dict[str, Any]] = state.get("triage", {})
    return found


def _is_waiting(desk: Desk) -> bool:
    return any(item["request"] for _, state in desk for item in triage_of(state).values())


class GitHub:
    """A client that posts to one desk."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def post(self, delivery: Delivery) -> dict[str, Any]:
        """Posts one delivery and answers how it was accepted; waits as long as the desk asks where it is busy."""
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.id,
        }
        while True:
            answer = self._http.post("/webhooks/github", content=delivery.path.read_bytes(), headers=headers)
            if answer.status_code not in (429, 503):
                return _document(answer)
            time.sleep(float(answer.headers.get("Retry-After", 1)))

    def outcome(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """What has become of an accepted delivery so far."""
        return _document(self._http.get(accepted["outcome"]))

    def end_of(self, accepted: dict[str, Any]) -> dict[str, Any]:
        """What became of it at last."""
        deadline = time.monotonic() + END_SECONDS
        while (outcome := self.outcome(accepted))["status"] in ("pending", "parked"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{accepted['id']} is still {outcome['status']} after {END_SECONDS:g} s")
            time.sleep(0.02)
        return outcome

    def publications(self) -> Iterator[dict[str, Any]]:
        """Everything that agents have ever published, and what they publish from then on; no end."""
        query = {"topic": "#", "after": "0"}
        with self._http.stream("GET", "/api/v1/publications", params=query, timeout=None) as answer:
            for event in httpx2.EventSource(answer):
                if event.data:  # the first block only says where the stream begins
                    yield json.loads(event.data)

    def desk(self) -> Desk:
        """Every repository and organisation of which the desk has heard, with its agent's committed state."""
        agents = _document(self._http.get("/api/v1/agents", params={"limit": 1000}))["items"]
        heard_of = [agent for agent in agents if agent["handled"] and agent["name"] in ("repo", "org")]
        return [(agent["agent"], self._state(agent["name"], agent["key"])) for agent in heard_of]

    def judged_desk(self) -> Desk:
        """The desk when its team has answered everything, or `TEAM_SECONDS` are over."""
        deadline = time.monotonic() + TEAM_SECONDS
        while _is_waiting(desk := self.desk()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return desk

    def ask_again(self, desk: Desk) -> None:
        """Has everything judged on which there is no verdict."""
        for agent, state in desk:
            if any(item["verdict"] is None and not item["request"] for item in triage_of(state).values()):
                name, _, key = agent.partition("/")
                again = {"type": "triage.again"}
                _document(
                    self._http.post(f"/api/v1/agents/{name}/events", params={"key": key, "wait": "30"}, json=again)
                )

    def _state(self, name: str, key: str) -> dict[str, Any]:
        return _document(self._http.get(f"/api/v1/agents/{name}/state", params={"key": key}))


def wait_until_open(url: str, is_stopped: Callable[[], bool]) -> bool:
    """Waits for the desk to answer; False where it stops before it does."""
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
