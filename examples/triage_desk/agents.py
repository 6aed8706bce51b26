"""The triage desk's agents: one per repository, one per organisation, kept up to date by GitHub's webhook deliveries.

`aos up examples/triage_desk/agents.py` serves them, `POST /webhooks/github` feeds them. What an agent knows of its
repository is its state; what it tells the world are the publications `repo.changed` and `repo.triaged`, which leave
only when the state is committed. What is to be judged goes as a request to the team (`team.py`); its answer, or the
end of its time, is a later event.
"""

from typing import Any

from pydantic import BaseModel, Field

from AgentOperatingSystem import AgentId, BaseAgent, Context, Event, Route
from examples.triage_desk.team import WANTED, Triage
from examples.triage_desk.verdicts import Finding, Material, Triaged, material_of, plain

ANSWER_SECONDS = 86_400.0
"""How long an answer of the team is waited for, outages of its model included."""
TRIAGED_MAX = 100
"""Of how many issues and pull requests the finding is kept in the state, the newest; the rest is history."""


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
    triage: dict[int, Triaged] = Field(default_factory=dict)
    """What the team said of issues and pull requests, by number, the last asked about last."""

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
    """Keeps one repository's counts, open issues and pull requests, stars and last actor; has what is new judged."""

    state_type = RepoState
    capabilities = ("triage",)

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type in ("aos.reply", "aos.request.timed_out"):
            return await self._learn(event, context)
        if event.type == "triage.again":
            return await self._ask_again(context)
        return await self._note(event, context)

    async def _note(self, event: Event, context: Context) -> Any:
        """A delivery: what it says is taken over and told, and the team is asked where it brings something to judge."""
        self.state.count(event)
        self.state.look(event.data)
        material = material_of(event)
        if material is not None:
            await self._ask(material, context)
        told = {"event": event.type, "delivery": event.id} | self.state.summary()
        await context.publish("repo.changed", told, subject=str(self.address))
        return told

    async def _ask(self, material: Material, context: Context) -> None:
        """Asks the team. The last finding stays until the answer is there; of two questions the later one counts."""
        number, triage = material.number, self.state.triage
        team = AgentId("triage", f"{self.address.key}#{number}", self.address.tenant)
        known = triage.pop(number, None)
        triage[number] = known or Triaged(kind=material.kind, title="")
        triage[number].title = plain(material.title)
        triage[number].request = await context.request(
            team, material.model_dump(), type=WANTED, timeout_seconds=ANSWER_SECONDS
        )
        await context.remember(_memory(number), material.model_dump())
        if len(triage) > TRIAGED_MAX:
            oldest = next(iter(triage))
            del triage[oldest]
            await context.forget(_memory(oldest))

    async def _learn(self, event: Event, context: Context) -> Any:
        """The team's answer, or the end of its time. Material is kept as long as there is no verdict on it."""
        found = [(number, each) for number, each in self.state.triage.items() if each.request == event.correlation]
        if not found:
            return {"ignored": "a later question counts"}
        number, item = found[0]
        late = Finding(reason=f"no answer within {ANSWER_SECONDS:g} s; `aos quarantine ls` may say why")
        finding = late if event.type == "aos.request.timed_out" else Finding.model_validate(event.data)
        self.state.triage[number] = Triaged(kind=item.kind, title=item.title, **dict(finding))
        told = {"number": number, "kind": item.kind, "title": item.title} | finding.model_dump()
        if finding.verdict is not None:
            await context.forget(_memory(number))
            await context.publish("repo.triaged", told, subject=str(self.address))
        return told

    async def _ask_again(self, context: Context) -> Any:
        """`triage.again`: asks anew wherever there is no verdict, such as when there was no model yet."""
        asked = [number for number, each in self.state.triage.items() if each.verdict is None and not each.request]
        for number in asked:
            await self._ask(Material.model_validate(await context.recall(_memory(number))), context)
        return {"asked": asked}


def _memory(number: int) -> str:
    return f"material/{number}"


class Org(BaseAgent):
    """Keeps the counts of deliveries that concern an organisation and no repository."""

    state_type = Ledger

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.count(event)
        told = {"event": event.type, "delivery": event.id, "deliveries": self.state.deliveries}
        await context.publish("org.changed", told | {"last_actor": self.state.last_actor}, subject=str(self.address))
        return told


agents = [Repo, Org, Triage]
routes = [
    Route(type="github.#", agent="repo", key="{data.repository.full_name}"),
    Route(type="github.#", agent="org", key="{data.organization.login}"),  # where there is no repository
    Route(type="github.#", agent="repo", key="unknown"),  # where there is neither
]
