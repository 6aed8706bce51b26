"""Did a tool that needs an approval ever run without one, with other arguments, or once too often? Pure: over the
history of a world.

An approval is what was shown to a person: a tool with its arguments. It counts from the commit that made it durable.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from AgentOperatingSystem.proof.simulator.history import Entry, Guarded, Said, Verdict

Shown = tuple[str, str, bytes]
"""Whose event, which tool, with which arguments."""
_encode = msgspec.json.Encoder(order="deterministic").encode
FORBIDDEN = {
    "own": "by whoever asked for it",
    "other": "of other arguments",
    "again": "a second time",
    "late": "too late",
}


def approval_faults(history: list[Entry]) -> Iterator[str]:
    """What was found wrong."""
    approved: Counter[Shown] = Counter()
    decided: dict[tuple[str, str], bool] = {}
    happened: dict[Shown, list[str]] = defaultdict(list)
    for entry in history:
        if isinstance(entry, Verdict):
            if (entry.who, entry.step) in decided:
                yield f"approval: {entry.step} of {entry.who} was decided twice"
            decided[entry.who, entry.step] = entry.approved
            approved[entry.who, entry.tool, _encode(entry.arguments)] += entry.approved
        elif isinstance(entry, Guarded):
            yield from _guarded(entry, approved, happened)
        elif isinstance(entry, Said) and entry.accepted and entry.how in FORBIDDEN:
            yield f"approval: {entry.step} of {entry.who} was decided {FORBIDDEN[entry.how]}, and that counted"


def _guarded(call: Guarded, approved: Counter[Shown], happened: dict[Shown, list[str]]) -> Iterator[str]:
    """Called with an approval of just this; and no more often done than approved: what happens again with the key that
    it had is the same one.
    """
    shown = (call.who, call.tool, _encode(call.arguments))
    if not approved[shown]:
        yield f"approval: {call.tool} of {call.who} was called with {call.arguments}, which nobody approved"
    if call.effect and not (call.idempotency_key and call.idempotency_key in happened[shown]):
        happened[shown].append(call.idempotency_key)
        if len(happened[shown]) > approved[shown]:
            yield f"approval: {call.tool} of {call.who} happened {len(happened[shown])} times on {approved[shown]}"
