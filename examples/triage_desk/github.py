"""Plays GitHub: posts the recorded deliveries over HTTP, one after the other, as GitHub's servers do.

A delivery is accepted with 202 when it is durable, and handled in its own time. Each has the same `X-GitHub-Delivery`
at every run, so posting it again changes nothing: the second answer is that of the first.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from examples.client import Client

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


class GitHub(Client):
    """A client that posts to one desk."""

    def deliver(self, delivery: Delivery) -> dict[str, Any]:
        """Posts one delivery and answers how it was accepted."""
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.id,
        }
        return self.post("/webhooks/github", content=delivery.path.read_bytes(), headers=headers)

    def desk(self) -> Desk:
        """Every repository and organisation of which the desk has heard, with its agent's committed state."""
        agents = self.get("/api/v1/agents", limit=1000)["items"]
        heard_of = [agent for agent in agents if agent["handled"] and agent["name"] in ("repo", "org")]
        return [(agent["agent"], self.state(agent["name"], agent["key"])) for agent in heard_of]

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
                self.post(f"/api/v1/agents/{name}/events", {"key": key, "wait": "30"}, json=again)
