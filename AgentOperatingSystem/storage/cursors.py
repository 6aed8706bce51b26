"""Where the next page of an agent's events begins, as text that a caller hands back: the same in every store."""

from AgentOperatingSystem.errors import InvalidInput

_DIGITS = 15


def event_cursor(version: int, key: str) -> str:
    """The place behind an event's row; cursors sort as their rows do."""
    return f"{version:0{_DIGITS}d}:{key}"


def place_of(cursor: str) -> tuple[int, str]:
    """Version and key behind which the page begins. Raises `InvalidInput` where no list of events gave this cursor."""
    if not cursor:
        return -1, ""
    version, colon, key = cursor.partition(":")
    if not (colon and version.isascii() and version.isdecimal() and len(version) <= _DIGITS):
        raise InvalidInput(f"cursor {cursor[:80]!r}: no list of events gave it; use the `after` of the page before")
    return int(version), key
