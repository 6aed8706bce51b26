"""Recordings: everything that handling one event again needs, as one JSON document. Made from what the store keeps.

`replaying.py` runs one offline; `aos replay --save` writes one to a file, which is then a regression test.
"""

from typing import Any

import msgspec

from AgentOperatingSystem.agents.steps import Step, StepStatus
from AgentOperatingSystem.errors import InvalidInput, NotFound
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.history import Kept, Past
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.storage.records import EventRow, Sent

FORMAT = "aos.recording/1"
_NULL = msgspec.Raw(b"null")


class Recording(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event as it was handled: what was there before, what its steps came to, and what came of it."""

    format: str = FORMAT
    agent: AgentId
    event: Event
    now: float
    """What `context.now()` said."""
    attempt: int = 1
    schema: int = 1
    state: msgspec.Raw = _NULL
    """The state that it found; null where there was none."""
    rows: tuple[tuple[str, str, msgspec.Raw], ...] = ()
    """Memory and conversations that it found: kind, name, value."""
    steps: tuple[Step, ...] = ()
    status: str = "done"
    reason: str = ""
    result: msgspec.Raw = _NULL
    left: msgspec.Raw = _NULL
    """The state that it left."""
    left_is_known: bool = False
    sends: tuple[Sent, ...] = ()
    """What it sent at its end."""
    marks: dict[str, str] = {}
    """What was in it: a hash of type, subject and data, by id."""
    unknown: tuple[str, ...] = ()
    """Rows of which nobody knows what the event found there."""

    @property
    def known(self) -> set[str]:
        """The types of agents to whom something was sent: they were there."""
        return {AgentId.from_partition(each.to).name for each in self.sends if not each.to.startswith("#")}


async def record(parts: Parts, agent: AgentId, row: EventRow) -> Recording:
    """What is known of one event's handling.

    Raises `NotFound` where the state before it was not kept, `BlobNotFound` where the store is damaged.
    """
    past, recorder = Past(parts, agent), Recorder(parts, agent)
    found = await past.found_by(row)
    rows, unknown = await past.rows_at(found)
    left = await _left(past, row)
    steps = (await recorder.read(row.key)).values() if row.claims else ()
    return Recording(
        agent=agent,
        event=row.event,
        now=row.began_at or row.finished_at,
        attempt=max(1, row.attempts),
        schema=found.kept.schema,
        state=found.kept.state,
        rows=tuple((kind, name, msgspec.Raw(value)) for (kind, name), value in rows.items()),
        steps=tuple([await _whole(recorder, step) for step in sorted(steps, key=lambda step: step.number)]),
        status=row.status.value,
        reason=row.reason,
        result=msgspec.Raw(msgspec.json.encode(row.result)),
        left=left.state if left is not None else _NULL,
        left_is_known=left is not None,
        sends=tuple(each for each in row.sent if left is None or each.id in left.marks),
        marks=left.marks if left is not None else {},
        unknown=tuple(unknown),
    )


def read_recording(document: bytes) -> Recording:
    """A document as `encode_recording` wrote it. Raises `InvalidInput`."""
    try:
        recording = msgspec.json.decode(document, type=Recording)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"not a recorded event: {error}") from None
    if recording.format != FORMAT:
        raise InvalidInput(f"the document's format is {recording.format!r}; this system reads {FORMAT!r}")
    return recording


def encode_recording(recording: Recording) -> bytes:
    """The document, in lines that a person can read and compare."""
    return msgspec.json.format(msgspec.json.encode(recording), indent=1) + b"\n"


async def _whole(recorder: Recorder, step: Step) -> Step:
    """The step with its result in it."""
    if step.status is not StepStatus.DONE or not step.result_blob:
        return step
    content = (await recorder.done(step)).content
    return msgspec.structs.replace(step, result=msgspec.Raw(content), result_blob="")


async def _left(past: Past, row: EventRow) -> Kept | None:
    try:
        return (await past.left_by(row)).kept
    except NotFound:
        return None


def value_of(raw: msgspec.Raw) -> Any:
    """The JSON value."""
    return msgspec.json.decode(raw)
