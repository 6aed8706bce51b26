"""Late results: what a call came to, told by a host that had lost its event meanwhile. It counts where nobody knew.

The journal hands over what it could not append. If a person was asked what became of the call, the answer is here now,
and the event goes on by itself.
"""

import msgspec

from AgentOperatingSystem.agents.steps import Step, StepStatus
from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.events import doorbell
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.bells import SAFETY_BELL_SECONDS
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.orchestration.resuming import resume, work_outside
from AgentOperatingSystem.storage.records import Change, Status

RACES_MAX = 20


async def keep_evidence(recorder: Recorder, key: str, step: Step) -> None:
    """Keeps the result of a call of the event with this key, unless one is known by now; releases the event where it
    waits for a verdict on nothing else.
    """
    parts = recorder.parts
    server = ContextMCPServer(recorder.agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)
    for _ in range(RACES_MAX):
        await server.initialize()
        known = await recorder.one(f"{key}/{step.name}")
        if known is None or known.status is not StepStatus.INTENT:
            return
        change = await _change(recorder, server, key, step)
        if change.outputs:  # rings whatever becomes of this process, which has no message that would come again
            due, why = recorder.now() + SAFETY_BELL_SECONDS, f"evidence:v{change.head.version}"
            await parts.bus.send([doorbell(recorder.agent, due, why, thorough=True)])
        try:
            committed = await server.commit(change)
        except Conflict:
            continue
        metrics.increment("effects.evidence")
        if change.outputs and not committed.relayed:
            await parts.bus.send(list(change.outputs))
        return


async def _change(recorder: Recorder, server: ContextMCPServer, key: str, step: Step) -> Change:
    parts, head = recorder.parts, server.head
    row = await parts.store.event(recorder.agent, key)
    if row is None or row.status is not Status.IN_DOUBT or await is_asked(recorder, key, besides=step.name):
        head = msgspec.structs.replace(
            head,
            version=head.version + 1,
            step_blobs=head.step_blobs or bool(step.result_blob),
            updated_at=recorder.now(),
        )
        return Change(head=head, etag=server.etag, rows=(recorder.row(key, step),))
    work = work_outside(parts, recorder.agent, head)
    work.step_blobs = work.step_blobs or bool(step.result_blob)
    kept = recorder.row(key, step)
    work.rows[kept.kind, kept.name] = kept
    await resume(parts, work, row)
    return work.change(head, server.etag, ())


async def is_asked(recorder: Recorder, key: str, *, besides: str) -> bool:
    """Whether a person is asked about another call of the event too."""
    steps = (await recorder.read(key)).values()
    return any(step.status is StepStatus.INTENT and step.name != besides for step in steps)
