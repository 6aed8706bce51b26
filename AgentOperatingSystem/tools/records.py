"""What a tool is to those who do not call it: its record; and what a call of it came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What a second call with the same arguments would do. The effect ledger decides by it what may be repeated."""

    PURE = "pure"  # nothing: it only looks or computes
    IDEMPOTENT = "idempotent"  # nothing more than the first, if it gets the same idempotency key
    VERIFY = "verify"  # it must be asked first whether the first one happened
    AT_MOST_ONCE = "at_most_once"  # harm; a call of unknown outcome waits for a verdict


HAPPENS_ONCE = (Effect.VERIFY, Effect.AT_MOST_ONCE)
"""Effects that leave an intent before the call, because it must not be made again without a verdict."""


@dataclass(frozen=True, kw_only=True)
class ToolRecord:
    """A tool as models, lists and ledgers see it."""

    name: str
    description: str
    parameters: dict[str, Any]  # JSON schema of its arguments, an object
    effect: Effect


@dataclass(frozen=True)
class Submitted:
    """What a tool returns whose work goes on elsewhere, for longer than any call may take."""

    job_id: str
    """Names the job where it is done; the same for the same idempotency key."""
    expires_seconds: float = 86_400.0
    """How long its end is waited for."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the ledger keeps it."""

    job_id: str
    expires_seconds: float
    cancel: str = ""  # `module:qualname` of the function that cancels it
    submitted_at: float = 0.0  # UTC seconds; from then on its time is counted, at every try


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What a model is told of its call. An error is one, and never looks like a success."""

    content: str
    is_error: bool = False
    detail: Any = None  # JSON for the tool's owner (`Tool.noted`); no model is shown it
    job: Job | None = None  # the work goes on elsewhere, and the result is still to come


def effect_of(hints: Mapping[str, Any]) -> Effect:
    """The effect that the annotations of a tool of the Model Context Protocol amount to (revision 2025-03-26, `Tool
    Annotations`). They are hints of whoever made the tool: what the user says counts more.
    """
    if hints.get("readOnlyHint") is True:
        return Effect.PURE
    return Effect.IDEMPOTENT if hints.get("idempotentHint") is True else Effect.AT_MOST_ONCE
