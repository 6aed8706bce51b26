"""`DelegatorAgent`: gives each task to the agent that is made for it, and brings its result back.

The kernel hands it a task; it scores what the registered agents declare as their `capabilities`, asks the best one with
`context.request`, and answers whoever gave it the task when that one has answered.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from AgentOperatingSystem.agents.assignments import Assignments, assign, is_answer, settle
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId


class Candidate(NamedTuple):
    """Somebody who can do a task."""

    name: str
    score: float
    """0 to 1: 1 for who declares just what the task needs; see `score`."""
    load: int
    """How many tasks the delegator has given it that it has not answered."""


def score(needs: Sequence[str], offered: Sequence[str]) -> float:
    """How well what is offered fits what is needed: 2·|both| / (|needed| + |offered|), Dice's coefficient.

    So a specialist comes before one who can do this and much else; 0 where nothing fits.
    """
    wanted, given = set(needs), set(offered)
    return 2 * len(wanted & given) / (len(wanted) + len(given)) if wanted and given else 0.0


def ranked(
    needs: Sequence[str], offers: Mapping[str, Sequence[str]], load: Mapping[str, int], coverage_min: float = 1.0
) -> list[Candidate]:
    """Who can do a task, the best first: by score, then by load (least first), then by name.

    Nobody is one who lacks more of the needs than `coverage_min` (a share, 0 to 1) leaves.
    """
    wanted = set(needs)
    able = (
        Candidate(name, score(needs, offered), load.get(name, 0))
        for name, offered in offers.items()
        if wanted & set(offered) and len(wanted & set(offered)) >= coverage_min * len(wanted)
    )
    return sorted(able, key=lambda each: (-each.score, each.load, each.name))


class DelegatorAgent(BaseAgent):
    """Delegates by specialization (specification row 60).

    A task is any event whose data is `{"needs": [capability, …], "task": …}`; override `needs_of` and `task_of` for
    another form. The delegate gets the task under the event's own type. Its event's result says who got it:
    `{"delegate", "score", "correlation"}`. Whoever asked by `context.request` gets `{"by", "correlation", "result"}`
    once it is done, or `"error"` instead of the result where the delegate gave none within `timeout_seconds`.

    Candidates are the registered types that declare `capabilities`, under their bare names; never the delegator, nor
    one who waits for this very answer. A task that nobody can do fails at once, with what there is.
    """

    state_type = Assignments
    coverage_min: ClassVar[float] = 1.0
    """Which share of the needs a delegate must cover; 1 is all of them."""
    timeout_seconds: ClassVar[float] = 3600.0
    """How long a delegate has for its answer."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if is_answer(event):
            return await settle(context, self.state, event)
        return await self.delegate(event, context)

    def needs_of(self, event: Event) -> Sequence[str]:
        """The capabilities that a task needs. Raises `Terminal` where it does not say."""
        needs = event.data.get("needs") if isinstance(event.data, dict) else None
        if not (isinstance(needs, list) and needs and all(isinstance(each, str) for each in needs)):
            raise Terminal('a task for a delegator is {"needs": ["capability", …], "task": …}')
        return needs

    def task_of(self, event: Event) -> Any:
        """What the delegate gets as its data."""
        return event.data.get("task")

    async def delegate(self, event: Event, context: Context) -> dict[str, Any]:
        """Gives one task away. Raises `Terminal` where nobody can do it."""
        best = self._best(self.needs_of(event), event, context)
        correlation = await assign(
            context,
            self.state,
            best.name,
            context.defer(),
            self.task_of(event),
            type=event.type,
            timeout_seconds=self.timeout_seconds,
        )
        return {"delegate": best.name, "score": best.score, "correlation": correlation}

    def _best(self, needs: Sequence[str], event: Event, context: Context) -> Candidate:
        waiting = {context.agent.partition, *event.asks}
        offers = {name: has for name, has in context.capabilities().items() if _partition(name, context) not in waiting}
        able = ranked(needs, offers, self.state.load(), self.coverage_min)
        if not able:
            known = ", ".join(sorted({each for has in offers.values() for each in has})) or "none"
            raise Terminal(f"nobody can do what needs {', '.join(needs)}; declared capabilities: {known}")
        return able[0]


def _partition(name: str, context: Context) -> str:
    return AgentId(name, "", context.agent.tenant).partition
