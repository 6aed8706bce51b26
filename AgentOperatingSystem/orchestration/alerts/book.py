"""What stands over its limit, and what is to be told about it: decided purely, over what one host has found.

The state of the agent `aos.alerts` is one `Book`. The desk of each host asks `decide` first whether there is anything
to say at all, so that a look that finds nothing new costs no event.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec

REFRESH_SECONDS: Final = 1200.0
"""After this time, what still stands is said again, so that it is not taken for forgotten."""
STALE_SECONDS: Final = 7200.0
"""What nobody has said for so long is over: its host or its rule is gone."""
TOLD_MAX: Final = 50
"""How much is told for one report; the next one tells the rest."""
_replace = msgspec.structs.replace


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One subject of one rule that is over its limit, or was a moment ago."""

    since: float
    """UTC seconds since which it is over the limit."""
    value: float
    """As it was last said."""
    severity: str
    host: str
    """Who saw it first."""
    is_local: bool = False
    """Whether it is about that host alone."""
    seen_at: float = 0.0
    begun_at: float = 0.0
    """UTC seconds since which it fires; 0 where it has not stood for long enough."""
    told: bool = False
    """Whether it was told that it began."""
    fine_since: float = 0.0
    """UTC seconds since which it is within its limit again; 0 where it is not."""
    is_over: bool = False
    """Whether it has been so for long enough; it goes when that is told."""


class Book(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What stands, by rule and subject."""

    standing: dict[str, dict[str, Standing]] = {}


class Checked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one look found about one rule."""

    rule: str
    severity: str
    for_seconds: float = 0.0
    is_local: bool = False
    is_complete: bool = True
    """Whether subjects that were not found are within their limits; else nobody knows."""
    found: dict[str, float] = {}
    """Values over the limit, by subject."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One look of one host."""

    host: str
    at: float
    checked: tuple[Checked, ...]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told of one subject."""

    what: Literal["begun", "resolved"]
    rule: str
    subject: str
    standing: Standing


def decide(book: Book, report: Report, silenced: Mapping[str, float]) -> tuple[Book, list[Told]]:
    """The book after a report, and what is to be told; the same report twice changes nothing the second time.

    `silenced` has the rules of which nothing new is told, and until when. What was told to begin is told to end.
    """
    standing = {rule: dict(subjects) for rule, subjects in book.standing.items()}
    for checked in report.checked:
        subjects = standing.setdefault(checked.rule, {})
        subjects.update({name: _seen(subjects.get(name), name, checked, report) for name in checked.found})
        if checked.is_complete:
            subjects.update(_fine(subjects, checked, report))
    told: list[Told] = []
    kept = {
        rule: dict(_settled(rule, subjects, report, silenced.get(rule, 0.0), told))
        for rule, subjects in standing.items()
    }
    return Book(standing={rule: subjects for rule, subjects in kept.items() if subjects}), told


def _seen(known: Standing | None, subject: str, checked: Checked, report: Report) -> Standing:
    """It is over its limit. Changes only where there is something to remember."""
    at, value = report.at, checked.found[subject]
    if known is None or (not known.begun_at and at - known.seen_at > STALE_SECONDS):
        known = Standing(
            since=at, value=value, severity=checked.severity, host=report.host, is_local=checked.is_local, seen_at=at
        )
    elif at < known.seen_at:
        return known
    elif known.fine_since or at - known.seen_at >= REFRESH_SECONDS:
        known = _replace(known, value=value, seen_at=at, fine_since=0.0, is_over=False)
    if not known.begun_at and at - known.since >= checked.for_seconds:
        known = _replace(known, value=value, seen_at=at, begun_at=at)
    return known


def _fine(subjects: Mapping[str, Standing], checked: Checked, report: Report) -> dict[str, Standing]:
    """Those that were not found: within their limits since now, or over with it."""
    changed: dict[str, Standing] = {}
    for subject, known in subjects.items():
        is_about_others = known.is_local and known.host != report.host
        if subject in checked.found or is_about_others or report.at < known.seen_at:
            continue
        fine_since = known.fine_since or report.at
        is_over = not known.begun_at or report.at - fine_since >= checked.for_seconds
        changed[subject] = _replace(known, fine_since=fine_since, is_over=is_over)
    return changed


def _settled(
    rule: str, subjects: Mapping[str, Standing], report: Report, silenced_until: float, told: list[Told]
) -> Iterator[tuple[str, Standing]]:
    """What stays in the book; what is to be told goes into `told`."""
    for subject, known in subjects.items():
        is_over = known.is_over or report.at - known.seen_at > STALE_SECONDS
        has_room = len(told) < TOLD_MAX
        if is_over and (not known.told or has_room):
            if known.told:
                told.append(Told(what="resolved", rule=rule, subject=subject, standing=known))
            continue
        if not is_over and known.begun_at and not known.told and silenced_until <= report.at and has_room:
            known = _replace(known, told=True)
            told.append(Told(what="begun", rule=rule, subject=subject, standing=known))
        yield subject, known
