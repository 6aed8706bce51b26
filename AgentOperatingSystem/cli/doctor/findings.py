"""What a check finds."""

from typing import Final, NamedTuple

OK: Final = "ok"
WARNING: Final = "warning"
FAULT: Final = "fault"
_GIVE_ROLE: Final = "give the identity what is missing; it counts after some minutes"


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


def refusal(name: str, detail: str, advice: str) -> Finding:
    """It does not work; where the detail names a role that an identity lacks, the advice is to give it."""
    return fault(name, detail, _GIVE_ROLE if "az role assignment create" in detail else advice)
