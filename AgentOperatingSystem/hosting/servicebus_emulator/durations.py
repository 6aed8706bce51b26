"""ISO 8601 durations, as the official emulator's file and the vendor's administration write them."""

import re

FOREVER = "P10675199DT2H48M5.4775807S"
"""What the vendor writes for a duration without end: the longest that .NET has."""
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def seconds_of(text: object) -> float | None:
    """Days, hours, minutes and seconds; None for what is no such duration."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(each or 0) for each in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def text_of(seconds: float) -> str:
    """The same backwards; whatever is longer than the vendor's longest is that one."""
    if seconds >= 10_675_199 * 86_400:
        return FOREVER
    days, rest = divmod(seconds, 86_400)
    day = f"{days:.0f}D" if days else ""
    return f"P{day}T{rest:.7f}".rstrip("0").rstrip(".") + "S"
