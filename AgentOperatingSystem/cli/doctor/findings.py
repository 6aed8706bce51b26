"""What a check finds."""

from typing import Final, NamedTuple

OK: Final = "ok"
WARNING: Final = "warning"
FAULT: Final = "fault"


class Finding(NamedTuple):
    """One line of the doctor's report. The names are stable: programs look for them."""

    name: str
    status: str
    """`ok`, `warning` or `fault`."""
    detail: str
    advice: str = ""
    """What to do."""


def ok(name: str, detail: str) -> Finding:
    """Nothing is wrong."""
    return Finding(name, OK, detail)


def warning(name: str, detail: str, advice: str) -> Finding:
    """It works, and will bite."""
    return Finding(name, WARNING, detail, advice)


def fault(name: str, detail: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(name, FAULT, detail, advice)
