"""The records that stores keep: an agent's head, its events' rows, its small rows; and the change that a turn commits.

Everything of one agent lies in one partition, so that one transaction can hold a turn's whole change.
"""

from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.ids import AgentId

T = TypeVar("T")
STEP = "step"
"""The kind of a step's row; its name is the event's key, a slash, and the step's own."""

STATE = "state"
"""The kind of the row of a state that is kept for later; see `orchestration/history.py`."""
SENT_MAX = 100
"""How many of an event's outputs its row names."""


class Control(StrEnum):
    """What an agent was last told to be. Running and Sleeping are derived, never written."""

    ACTIVE = "active"
    """Handles what comes."""
    PAUSED = "paused"
    """Keeps its mailbox. A handler that runs comes to its end, but its turn commits nothing and runs again later."""
    STOPPED = "stopped"
    """Keeps its mailbox; the turn it is in is broken off, uncommitted."""
    TERMINATED = "terminated"
    """A tombstone: accepts nothing more."""


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The one record that fences an agent: whoever changes anything of it changes the head, conditional on its ETag."""

    agent: AgentId
    version: int = 0
    """How many changes were committed."""
    control: Control = Control.ACTIVE
    reason: str = ""
    """Why it was paused, stopped or terminated."""
    schema: int = 1
    """The version of the state's schema."""
    state: bytes = b""
    """The state as JSON; empty where there is none yet, or where it lies in `state_blob`."""
    state_blob: str = ""
    """The content address of a state too large to lie here."""
    next_order: int = 0
    """The mailbox position that the next parked event gets."""
    backlog: int = 0
    """How many parked events later arrivals must queue behind."""
    backoff_until: float = 0.0
    """UTC seconds until which the whole agent holds still, because something that it needs is down."""
    outages: int = 0
    """How many times in a row it had to."""
    next_tick: float = 0.0
    """UTC seconds of the first timer that may be due; 0 where there is none."""
    unrelayed: tuple[str, ...] = ()
    """Keys of rows of the last turn whose outputs whoever wakes the agent next sends again: no message of their own
    would bring them back.
    """
    waiting: tuple[str, ...] = ()
    """Conversations that belong to an event which waits for an answer: other events of them are parked."""
    freeing: tuple[str, ...] = ()
    """Conversations that are free again, and of which events are still held: they go on part by part."""
    step_blobs: bool = False
    """Whether a step of it ever had a result, or a state was kept of it, so large that it became a blob."""
    keeps_states: bool = False
    """Whether a state of it was ever kept for later."""
    handled: int = 0
    """How many events ended here, well or badly."""
    created_at: float = 0.0
    updated_at: float = 0.0
    """UTC seconds of the last commit: the agent's last-seen."""


class Status(StrEnum):
    """Where an event stands. All but the last three are open."""

    PARKED = "parked"
    """Waits in the mailbox, for its turn, its back-off or its agent's resume; or is in a turn's hand (`claimed_at`)."""
    WAITING = "waiting"
    """Waits for an answer: of another agent, of a person, of a long job. Its steps are kept."""
    IN_DOUBT = "in_doubt"
    """A call with an effect has no known outcome: a person says what became of it."""
    DIVERGED = "diverged"
    """A retry wanted another effect than its first try had: a person says what is to happen."""
    QUARANTINED = "quarantined"
    """Out of the way with its reason, until it is redriven, edited or dropped."""
    DONE = "done"
    FAILED = "failed"
    """Ended by a Terminal error."""
    CANCELLED = "cancelled"
    """Ended from outside: dropped, or its agent was terminated."""


ENDS = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """One event that an event's handling sent: enough to find it again. Its source is the agent that sent it."""

    id: str
    to: str
    """The recipient's partition; a topic after `#`."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event's own row in its agent's partition: dedupe mark, place in the mailbox, outcome, result and outputs."""

    key: str
    """`Event.key`: unique in the partition."""
    event: Event
    fingerprint: str = ""
    """What the producer said, hashed: tells a duplicate from a reused key."""
    status: Status = Status.DONE
    order: int = 0
    """The place among parked events; lower comes first."""
    blocking: bool = False
    """Whether later arrivals must queue behind this parked event."""
    due: float = 0.0
    """UTC seconds before which a parked event is not tried."""
    attempts: int = 0
    reason: str = ""
    """Why it is parked, failed, cancelled or quarantined."""
    result: Any = None
    """The handler's JSON result."""
    outputs: tuple[Message, ...] = ()
    """What it sends; relayed after the commit, and again when its message is redelivered."""
    sent: tuple[Sent, ...] = ()
    """What it has sent, the first `SENT_MAX` of it: stays when the outputs are relayed and gone."""
    version: int = 0
    """The agent's version that this row's last change belongs to."""
    accepted_at: float = 0.0
    finished_at: float = 0.0
    began_at: float = 0.0
    """UTC seconds of its first claim: what `context.now()` says at every try. 0 where it has no steps."""
    claims: int = 0
    """How many turns have claimed it to make steps."""
    claimed_at: float = 0.0
    """UTC seconds since which a turn has it in hand, or had when its host died; 0 where none has."""
    waits: tuple[str, ...] = ()
    """Names of the steps whose answers it waits for."""
    owns: bool = False
    """Whether it has its conversation to itself although it is parked: it has made steps, and goes on at `due`."""


class Row(msgspec.Struct, frozen=True):
    """A small row of an agent: memory, a schedule, a pending request, a step. `value` is JSON; None deletes the row."""

    kind: str
    name: str
    value: bytes | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """All that one turn, or one control operation, changes: one transaction, conditional on the head's ETag."""

    head: Head
    """The head as it is to be."""
    etag: str
    """The ETag that the stored head must have; empty: there must be no head yet."""
    inserts: tuple[EventRow, ...] = ()
    """Rows of events seen for the first time."""
    updates: tuple[EventRow, ...] = ()
    """Rows that exist (parked, quarantined) and move on."""
    deletes: tuple[str, ...] = ()
    """Keys of rows that go (retention)."""
    rows: tuple[Row, ...] = ()
    outputs: tuple[Message, ...] = ()
    """Messages that belong to no event: a bell after resume, a schedule's next tick."""
    receipts: tuple[str, ...] = ()
    """The broker messages that this change consumes; a store that is the broker too settles them in the transaction."""


class Committed(msgspec.Struct, frozen=True):
    """What a commit answers."""

    etag: str
    relayed: bool = False
    """True where the store is the broker too: outputs are sent and receipts settled already."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a long list, and where the next part begins (empty at the end)."""

    items: tuple[T, ...]
    after: str = ""
