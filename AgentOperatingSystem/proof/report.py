"""The figures of a proof, as `aos faults --json` prints them."""

from typing import NotRequired, TypedDict


class Plain(TypedDict):
    """The same kills on AutoGen alone, with `save_state` after each order."""

    kills: int
    refunds_twice: int
    emails_twice: int
    model_calls_again: int


class Report(TypedDict):
    """What was done to the system, and how many promises broke."""

    faults: int
    """How many faults struck an operation (or, of kills, how many struck while an event was in flight)."""
    events: int
    """How many events were judged."""
    lost: int
    """Accepted events, or what they caused, that left no trace."""
    applied_twice: int
    stuck: int
    """Events that did not come to their end in time."""
    hash: str
    """Over everything that happened, where that is the same each time; over the outcome, where it is not."""
    by_kind: dict[str, int]
    """Faults by their kind."""
    kills: NotRequired[int]
    in_doubt: NotRequired[int]
    """Calls of unknown outcome that were shown to a person."""
    answers_paid_twice: NotRequired[int]
    """Calls of a model that were made again although their answer was recorded."""
    plain_autogen: NotRequired[Plain]
    done: NotRequired[dict[str, int]]
    """How many steps were recorded, models and tools called, verdicts given, in worlds whose agents make steps."""
    failures: NotRequired[list[str]]
    """One line for each thing that was found wrong, with the command that shows it again; absent where all is well."""
