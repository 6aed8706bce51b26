"""`CouncilAgent`: asks its members for proposals, and an arbiter where they contradict one another.

Each question is a small record in the agent's state that its answers fill, one event each; whoever asked gets the
outcome when it is there. Nothing waits in memory: the members may take a year.
"""

from typing import Any, ClassVar

import msgspec

from AgentOperatingSystem.agents.asking import REPLY, Owed
from AgentOperatingSystem.agents.assignments import is_answer
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event, encode

OUTCOMES = "outcome/"


class Question(msgspec.Struct, kw_only=True):
    """A question that is being talked over."""

    question: Any
    owed: Owed
    awaited: dict[str, str]
    """Who is still to answer: address by correlation id."""
    proposals: dict[str, Any] = {}
    silent: list[str] = []
    """Who gave no answer in time."""
    disputed: bool = False
    """Whether it lies with the arbiter."""


class Deliberations(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The open questions, by the key of the event that asked."""

    open: dict[str, Question] = {}


class CouncilAgent(BaseAgent):
    """Collects proposals and settles contradictions by arbitration (specification rows 63 and 64).

    Each event is a question, which every one of `members` gets as it is. The outcome is `{"question", "outcome",
    "decided_by", "rationale", "proposals", "silent"}`; `decided_by` is `agreement` where all proposals are the same,
    `arbiter` where they are not, and `nobody` where the arbiter does not decide either (`outcome` is None then). It is
    remembered under `outcome/{event key}`, published as `{name}.decided`, and the answer to whoever asked.
    """

    state_type = Deliberations
    members: ClassVar[tuple[str, ...]] = ()
    arbiter: ClassVar[str] = ""
    timeout_seconds: ClassVar[float] = 3600.0
    """How long members, and then the arbiter, have."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if not self.members or not self.arbiter:
            raise ConfigurationError(f"{type(self).__name__} needs members and an arbiter")
        if is_answer(event):
            return await self._heard(event, context)
        owed = context.defer()
        asked = [await self._ask(member, event.data, owed, context, event.type) for member in self.members]
        awaited = dict(zip(asked, self.members, strict=True))
        self.state.open[event.key] = Question(question=event.data, owed=owed, awaited=awaited)
        return {"asked": list(self.members)}

    def proposal_of(self, result: Any) -> Any:
        """What a member's result proposes: the `decision` of a purpose-driven agent, else the result itself."""
        return result["decision"] if isinstance(result, dict) and "decision" in result else result

    def contradict(self, proposals: list[Any]) -> bool:
        """Whether proposals cannot all be followed; by default, whether they differ as JSON."""
        return len({encode(each) for each in proposals}) > 1

    async def _ask(self, to: str, data: Any, owed: Owed, context: Context, type: str) -> str:
        return await context.request(to, data, type=type, timeout_seconds=self.timeout_seconds, owed=owed)

    async def _heard(self, event: Event, context: Context) -> Any:
        """One answer; the last of them takes the question on."""
        key = next((key for key, each in self.state.open.items() if event.correlation in each.awaited), "")
        if not key:
            return None
        question = self.state.open[key]
        who = question.awaited.pop(event.correlation)
        if question.disputed:
            return await self._arbitrated(key, event, context)
        if event.type == REPLY:
            question.proposals[who] = self.proposal_of(event.data)
        else:
            question.silent.append(who)
        return None if question.awaited else await self._compare(key, question, context)

    async def _compare(self, key: str, question: Question, context: Context) -> Any:
        """All have answered, or had their time."""
        proposals = question.proposals
        if not proposals:
            return await self._decided(key, None, "nobody", "no member made a proposal", context)
        if not self.contradict(list(proposals.values())):
            agreed = next(iter(proposals.values()))
            return await self._decided(key, agreed, "agreement", f"{', '.join(proposals)} agree", context)
        dispute = {
            "question": question.question,
            "proposals": [{"by": by, "proposal": proposal} for by, proposal in proposals.items()],
        }
        asked = await self._ask(self.arbiter, dispute, question.owed, context, "arbitrate")
        question.disputed = True
        question.awaited[asked] = self.arbiter
        return {"arbiter": self.arbiter}

    async def _arbitrated(self, key: str, event: Event, context: Context) -> Any:
        found = event.data if event.type == REPLY and isinstance(event.data, dict) else {}
        winner, rationale = found.get("winner"), found.get("rationale") or f"{self.arbiter} gave no verdict in time"
        decided_by = "arbiter" if winner else "nobody"
        return await self._decided(key, winner["proposal"] if winner else None, decided_by, rationale, context)

    async def _decided(self, key: str, outcome: Any, decided_by: str, rationale: str, context: Context) -> Any:
        question = self.state.open.pop(key)
        result = {
            "question": question.question,
            "outcome": outcome,
            "decided_by": decided_by,
            "rationale": rationale,
            "proposals": question.proposals,
            "silent": question.silent,
        }
        await context.remember(f"{OUTCOMES}{key}", result)
        await context.publish(f"{context.agent.name}.decided", result)
        await context.answer(question.owed, result)
        return result
