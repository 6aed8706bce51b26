"""The W3C `traceparent`: how a trace is named in an event's envelope and in a log line.

Pure functions for `tracing` and `logs`. Source: W3C Recommendation "Trace Context" (2021), section 3.2.
"""

import re
from typing import NamedTuple

_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Trace(NamedTuple):
    """A span of a trace: its ids and flags (1: sampled)."""

    trace_id: int
    span_id: int
    flags: int


def parse(traceparent: str) -> Trace | None:
    """What a traceparent names, or None where it is not valid."""
    match = _PATTERN.fullmatch(traceparent)
    if not match:
        return None
    version, more = match[1], match[5]
    trace = Trace(int(match[2], 16), int(match[3], 16), int(match[4], 16))
    is_valid = version != "ff" and not (version == "00" and more) and trace.trace_id and trace.span_id
    return trace if is_valid else None


def write(trace: Trace) -> str:
    """The traceparent of a span, in version 00."""
    return f"00-{trace.trace_id:032x}-{trace.span_id:016x}-{trace.flags:02x}"
