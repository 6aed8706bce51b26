"""How steps are written and read: as rows of the agent's partition, large results as blobs, secrets left out.

The journal's hands; knows the store, decides nothing.
"""

from typing import Any

import msgspec

from AgentOperatingSystem.agents.steps import STEP, Done, Step, StepKind, StepStatus, tool_hash
from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Change, Row

RACES_MAX = 20
_PAGE = 1000
_step = msgspec.json.Decoder(Step)
_encode = msgspec.json.Encoder().encode
_replace = msgspec.structs.replace


class Recorder:
    """Steps of one agent."""

    def __init__(self, parts: Parts, agent: AgentId) -> None:
        self._parts = parts
        self._agent = agent

    def now(self) -> float:
        """UTC seconds."""
        return self._parts.clock.now()

    @property
    def skew_seconds(self) -> float:
        """How far the clocks of two hosts may be apart."""
        return self._parts.rules.clock_skew_seconds

    async def read(self, key: str) -> dict[str, Step]:
        """What is recorded of the event with this key, by name."""
        found: dict[str, Step] = {}
        after = ""
        while True:
            page = await self._parts.store.rows(self._agent, STEP, f"{key}/", after, _PAGE)
            for row in page.items:
                if row.value is not None:
                    step = _step.decode(row.value)
                    found[step.name] = step
            after = page.after
            if not after:
                return found

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
        if len(content) <= self._parts.inline_bytes_max // 2:
            return _replace(step, result=msgspec.Raw(content))
        return _replace(step, result_blob=await self._parts.blobs.put(content))

    async def done(self, step: Step) -> Done:
        """A recorded result. Raises `BlobNotFound`, `StateUnreadable`."""
        content = await self._parts.blobs.get(step.result_blob) if step.result_blob else bytes(step.result)
        promises = _promises(content) if step.kind is StepKind.MODEL else ()
        return Done(content=content, spent=step.spent, is_error=step.is_error, promises=promises)

    def row(self, key: str, step: Step) -> Row:
        """The row that keeps a step of the event with this key."""
        return Row(STEP, f"{key}/{step.name}", self._redacted(_encode(step)))

    async def evidence(self, key: str, step: Step) -> None:
        """Keeps a result that came when another host had taken the event over, unless that has one by now."""
        parts = self._parts
        server = ContextMCPServer(self._agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)
        for _ in range(RACES_MAX):
            await server.initialize()
            known = await parts.store.row(self._agent, STEP, f"{key}/{step.name}")
            if known is None or _step.decode(known).status is not StepStatus.INTENT:
                return
            head = _replace(server.head, version=server.head.version + 1, updated_at=self.now())
            try:
                await server.commit(Change(head=head, etag=server.etag, rows=(self.row(key, step),)))
                return
            except Conflict:
                continue

    def _redacted(self, content: bytes) -> bytes:
        return self._parts.redact(content)


def _promises(content: bytes) -> tuple[tuple[str, str], ...]:
    """The tool calls that stand in a recorded answer of a model."""
    answer: Any = msgspec.json.decode(content)
    calls = answer.get("tool_calls", ()) if isinstance(answer, dict) else ()
    return tuple((call["name"], tool_hash(call["name"], call.get("arguments") or {})) for call in calls)
