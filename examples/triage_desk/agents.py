"""The triage desk's agents: one per repository, one per organisation, kept up to date by GitHub's webhook deliveries.

`aos up examples/triage_desk/agents.py` serves them, `POST /webhooks/github` feeds them. What an agent knows of its
repository is its state; what it tells the world is the publication `repo.changed`, which leaves only when the state is
committed.
"""

from typing import Any

from pydantic import BaseModel, Field

from AgentOperatingSystem import BaseAgent, Context, Event, Route


class Ledger(BaseModel):
    """What is counted everywhere."""

    deliveries: int = 0
    counts: dict[str, int] = Field(default_factory=dict)
    """How many of each event and action: `issues.opened`, `push`."""
    last_actor: str = ""

    def count(self, event: Event) -> None:
        """One delivery more."""
        what = event.type.removeprefix("github.")
        self.deliveries += 1
        self.counts[what] = self.counts.get(what, 0) + 1
        self.last_actor = (event.data.get("sender") or {}).get("login") or self.last_actor


class RepoState(Ledger):
    """What is known of a repository."""

    open_issues: list[int] = Field(default_factory=list)
    """Their numbers, as far as deliveries spoke of them."""
    open_pull_requests: list[int] = Field(default_factory=list)
    stars: int = 0

    def look(self, delivery: dict[str, Any]) -> None:
        """Takes over what a delivery says of the repository, its issue and its pull request."""
        self.stars = (delivery.get("repository") or {}).get("stargazers_count", self.stars)
        issue = delivery.get("issue") or {}
        is_gone = delivery.get("action") in ("deleted", "transferred") and "comment" not in delivery
        numbers = self.open_pull_requests if "pull_request" in issue else self.open_issues
        _note(numbers, issue, is_gone=is_gone)
        _note(self.open_pull_requests, delivery.get("pull_request") or {})

    def summary(self) -> dict[str, Any]:
        """What others are told."""
        return {
            "deliveries": self.deliveries,
            "open_issues": len(self.open_issues),
            "open_pull_requests": len(self.open_pull_requests),
            "stars": self.stars,
            "last_actor": self.last_actor,
        }


def _note(numbers: list[int], item: dict[str, Any], is_gone: bool = False) -> None:
    """Keeps the number of an issue or pull request while it is open; one whose state is not said stays as it was."""
    number, state = item.get("number", 0), "closed" if is_gone else item.get("state")
    if state == "open" and number not in numbers:
        numbers[:] = sorted([*numbers, number])
    elif state == "closed" and number in numbers:
        numbers.remove(number)


class Repo(BaseAgent):
    """Keeps one repository's counts, open issues and pull requests, stars and last actor."""

    state_type = RepoState
    capabilities = ("triage",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.count(event)
        self.state.look(event.data)
        told = {"event": event.type, "delivery": event.id} | self.state.summary()
        await context.publish("repo.changed", told, subject=str(self.address))
        return told


class Org(BaseAgent):
    """Keeps the counts of deliveries that concern an organisation and no repository."""

    state_type = Ledger

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.count(event)
        told = {"event": event.type, "delivery": event.id, "deliveries": self.state.deliveries}
        await context.publish("org.changed", told | {"last_actor": self.state.last_actor}, subject=str(self.address))
        return told


agents = [Repo, Org]
routes = [
    Route(type="github.#", agent="repo", key="{data.repository.full_name}"),
    Route(type="github.#", agent="org", key="{data.organization.login}"),  # where there is no repository
    Route(type="github.#", agent="repo", key="unknown"),  # where there is neither
]
