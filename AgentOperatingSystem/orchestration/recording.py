"""How steps are written and read: as rows of the agent's partition, large results as blobs, secrets left out.

The journal's hands; knows the store, decides nothing.
"""

from typing import Any

import msgspec

from AgentOperatingSystem.agents.steps import STEP, Done, Step, StepKind, StepStatus, decode_step, tool_hash
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Row

_PAGE = 1000
TOLD_LENGTH_MAX = 300
_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace


class Recorder:
    """Steps of one agent."""

    def __init__(self, parts: Parts, agent: AgentId) -> None:
        self.parts = parts
        self.agent = agent

    def now(self) -> float:
        """UTC seconds."""
        return self.parts.clock.now()

    @property
    def skew_seconds(self) -> float:
        """How far the clocks of two hosts may be apart."""
        return self.parts.rules.clock_skew_seconds

    def held(self) -> str:
        """Why the agent makes no further step now: its type or tenant is held, or this host lost the broker's lock on
        its turn. Empty where nothing is in the way.
        """
        return self.parts.switches.why(self.agent) or self.parts.lost(self.agent)

    async def read(self, key: str) -> dict[str, Step]:
        """What is recorded of the event with this key, by name."""
        found: dict[str, Step] = {}
        after = ""
        while True:
            page = await self.parts.store.rows(self.agent, STEP, f"{key}/", after, _PAGE)
            for row in page.items:
                if row.value is not None:
                    step = decode_step(row.value)
                    found[step.name] = step
            after = page.after
            if not after:
                return found

    async def one(self, name: str) -> Step | None:
        """The step whose row has this name."""
        value = await self.parts.store.row(self.agent, STEP, name)
        return decode_step(value) if value is not None else None

    def told(self, about: Any) -> str:
        """What a step was asked, for a reason: JSON without secrets, cut."""
        return self._redacted(_encode(about))[:TOLD_LENGTH_MAX].decode("utf-8", "ignore")

    async def recorded(self, step: Step, done: Done) -> Step:
        """The step with its result; a large one is a blob from now on."""
        content = self._redacted(done.content)
        step = _replace(
            step,
            status=StepStatus.DONE,
            ended_at=self.now(),
            spent=done.spent,
            is_error=done.is_error,
        )
        if len(content) <= self.parts.inline_bytes_max // 2:
            return _replace(step, result=msgspec.Raw(content))
        return _replace(step, result_blob=await self.parts.blobs.put(content))

    async def done(self, step: Step) -> Done:
        """A recorded result. Raises `BlobNotFound`, `StateUnreadable`."""
        content = await self.parts.blobs.get(step.result_blob) if step.result_blob else bytes(step.result)
        promises = _promises(content) if step.kind is StepKind.MODEL else ()
        return Done(content=content, spent=step.spent, is_error=step.is_error, promises=promises)

    def row(self, key: str, step: Step) -> Row:
        """The row that keeps a step of the event with this key."""
        return Row(STEP, f"{key}/{step.name}", self._redacted(_encode(step)))

    def _redacted(self, content: bytes) -> bytes:
        return self.parts.redact(content)


def _promises(content: bytes) -> tuple[tuple[str, str], ...]:
    """The tool calls that stand in a recorded answer of a model."""
    answer: Any = msgspec.json.decode(content)
    calls = answer.get("tool_calls", ()) if isinstance(answer, dict) else ()
    return tuple((call["name"], tool_hash(call["name"], call.get("arguments") or {})) for call in calls)
