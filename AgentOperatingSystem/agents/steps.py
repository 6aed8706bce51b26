"""Steps: the model calls, tool calls and functions within one event's handling, as its journal keeps them.

Whoever calls a model or a tool (`thinking.py`, the context, AutoGen's adapter) describes the call and hands it to the
turn's `Journal`, which the kernel provides: a step that is recorded already is read back instead of made again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.events import Event
from AgentOperatingSystem.storage.records import STEP as STEP
from AgentOperatingSystem.tools.records import Effect

WAIT = "wait:"
"""How the correlation id of an answer begins that an event waits for; what follows is the name of the step's row."""
_canonical = msgspec.json.Encoder(order="deterministic").encode


class StepKind(StrEnum):
    """What a step is."""

    MODEL = "model"
    TOOL = "tool"
    FUNCTION = "function"
    """A function of the handler's own: `context.step`."""
    WAIT = "wait"
    """An answer that comes as an event: of another agent, of a person, of a long job."""


class StepStatus(StrEnum):
    """Where a step stands."""

    INTENT = "intent"
    """It was about to be made; whether it was, nobody has said yet."""
    DONE = "done"
    """Its result is recorded, and is read back from now on. An error that a tool reported is a result too."""
    FAILED = "failed"
    """The last try raised; it is made again."""
    WAITING = "waiting"
    """Its answer has not come yet."""


class Spent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a step used; None is "not known", never "nothing"."""

    model: str = ""
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cost: str | None = "0"
    """A decimal number."""
    currency: str = "USD"
    cost_note: str = ""
    """Why the cost is not known."""
    cache_hit: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step as it is kept. `name` within its event is made of `kind`, `hash` and `occurrence`."""

    kind: StepKind
    what: str
    """The model's, the tool's or the function's name."""
    hash: str
    """Over everything of the call that its result may depend on."""
    occurrence: int = 0
    """How many calls of the same kind and hash the handling made before."""
    number: int = 0
    """The place among the steps of this event, in the order in which they were begun."""
    status: StepStatus = StepStatus.DONE
    effect: Effect = Effect.PURE
    about: Any = None
    """What was asked: a tool's arguments, the end of a model's question."""
    result: msgspec.Raw = msgspec.Raw(b"null")
    result_blob: str = ""
    """The content address of a result too large to lie here."""
    error: str = ""
    began_at: float = 0.0
    ended_at: float = 0.0
    deadline: float = 0.0
    """Of an intent: UTC seconds by which the call was to be over. Of a wait: when nobody waits any longer."""
    attempt: int = 1
    """The try of the event that made it."""
    tries: int = 1
    """How often the call was made."""
    spent: Spent | None = None
    is_error: bool = False
    """Whether the recorded result is an error."""
    diverged: bool = False
    """Whether a retry made it that had other steps to read back."""
    late: bool = False
    """Whether its result came when another host had taken the event over: evidence."""
    decided_by: str = ""
    """Who said what became of it, or of its try before, where that is not its own answer."""
    idempotency_key: str = ""

    @property
    def name(self) -> str:
        """Its name within the event."""
        return step_name(self.kind, self.hash, self.occurrence)


decode_step = msgspec.json.Decoder(Step).decode
"""A step from the JSON of its row. Raises `msgspec.ValidationError` where it is none."""


def step_name(kind: StepKind, hash: str, occurrence: int) -> str:
    """The name of a step within its event: the same at every try."""
    return f"{kind}-{hash[:40]}-{occurrence:04d}"


def hash_of(*parts: object) -> str:
    """64 hexadecimal digits over JSON values, whatever the order of their keys."""
    return sha256(_canonical(parts)).hexdigest()


def tool_hash(name: str, arguments: object) -> str:
    """The hash of a tool's call: a model's answer that asks for it and the call itself have the same."""
    return hash_of("tool", name, arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A step that is about to be made."""

    kind: StepKind
    what: str
    hash: str
    effect: Effect = Effect.PURE
    about: Any = None
    deadline_seconds: float = 60.0
    """How long it may take, where its effect needs an intent; the journal cuts it off then."""
    verify: Callable[[str], Awaitable["Done | None"]] | None = None
    """Asked with the idempotency key whether a call of unknown outcome has happened: its result, or None where it has
    not. Raises where nobody can tell.
    """
    tokens_max: int | None = None
    """The most that a model may answer, for a budget's reservation; None where the request does not say."""
    input_tokens: Callable[[], int] | None = None
    """Estimates how much a model is asked; called only where a budget limits it."""
    of: "Callable[[str], Run] | None" = None
    """The same call to another model, of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a step came to."""

    content: bytes
    """JSON."""
    spent: Spent | None = None
    is_error: bool = False
    promises: tuple[tuple[str, str], ...] = field(default=())
    """Names and hashes of the tool calls that stand in a model's answer."""


Run = Callable[[str], Awaitable[Done]]
"""Makes the call; is given its idempotency key, the same at every try."""


class Ticket(Protocol):
    """One step under way: a stream, which cannot be handed over as one function, holds it itself."""

    @property
    def idempotency_key(self) -> str: ...

    @property
    def recorded(self) -> Done | None:
        """What the step came to at an earlier try; then it must not be made again."""
        ...

    @property
    def model(self) -> str:
        """The model to ask in place of the call's own, because of a budget; empty where there is none."""
        ...

    async def finish(self, done: Done) -> None:
        """Records the result: durable, at the latest, before the next effect, wait or commit."""
        ...

    async def fail(self, error: BaseException) -> None:
        """Records that this try raised."""
        ...


class Journal(Protocol):
    """The steps of one event's handling. A method of it may never return: the handler is stopped, and goes on from its
    journal in another turn.
    """

    async def run(self, call: Call, run: Run) -> Done:
        """The recorded result of this very call, or its result now, recorded. Raises what `run` raises."""
        ...

    async def begin(self, call: Call) -> Ticket: ...

    def clock(self) -> float:
        """UTC seconds, which go on while the handler runs: for what is recorded with a step."""
        ...

    async def wait(self, call: Call, expires: float, ask: Callable[[str], list[Event]]) -> Done:
        """The recorded answer to this very question, which `ask` puts into events, given the correlation id that the
        answer has to carry. Until it is there, or `expires` (UTC seconds) has come, the event waits, and nothing runs.
        """
        ...
