"""What a registry keeps: a `Number` or a `Distribution` per metric and set of labels, on one `Shelf` per kind.

An update is a few bytecodes on plain floats and lists, without a lock: the interpreter changes threads only at a call
or a jump, and there is none between the reading and the writing (a test with several threads holds this on every
interpreter that we support). Finding a series for the first time takes the lock; afterwards the shelf's `cache` has it.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Generic, TypeAlias, TypeVar

from AgentOperatingSystem.errors import InvalidInput

Labels: TypeAlias = tuple[tuple[str, str], ...]

# What the OpenTelemetry metrics SDK specification ("Cardinality limits") uses for the same purpose.
SERIES_MAX = 2_000
OVERFLOW: Labels = (("otel_metric_overflow", "true"),)
LABEL_LENGTH_MAX = 200
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Number:
    """A counter or a gauge with one set of labels."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Distribution:
    """A histogram with one set of labels: how many observations fell into each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last is for what is above every bound
        self.total = 0.0

    def observe(self, value: float) -> None:
        """A value that equals a bound belongs to its bucket, as Prometheus' `le` says."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value


S = TypeVar("S", Number, Distribution)


class Shelf(Generic[S]):
    """All metrics of one kind, each a family of series by labels, at most `series_max` of them and one for the rest."""

    def __init__(self, claim: Callable[[str], str], make: Callable[[str], S], series_max: int) -> None:
        self.families: dict[str, dict[Labels, S]] = {}
        self.cache: dict[object, S] = {}  # by `(name, *labels.items()) if labels else name`, as the caller spells them
        self._claim = claim
        self._make: Callable[[str], S] = make
        self._series_max = series_max
        self._lock = Lock()

    def find(self, name: str, labels: Mapping[str, str]) -> S:
        """The series of this name and these labels, made if need be; the one for the rest where there are too many."""
        key = canonical(labels)
        with self._lock:
            exported = self._claim(name)
            family = self.families.setdefault(exported, {})
            if key not in family and len(family) >= self._series_max:
                return family.setdefault(OVERFLOW, self._make(exported))
            series = family.setdefault(key, self._make(exported))
            # Other label values than text may be equal in text and not in memory: they would fill the cache for ever.
            if all(type(value) is str for value in labels.values()):
                self.cache[(name, *labels.items()) if labels else name] = series
            return series

    def snapshot(self) -> dict[str, dict[Labels, S]]:
        """The families as they are now; the series in them go on counting."""
        with self._lock:
            return {name: dict(family) for name, family in self.families.items()}


def exported_name(name: str) -> str:
    """`agent.events.processed` as Prometheus can spell it: `agent_events_processed`."""
    text = _NOT_IN_A_NAME.sub("_", name)
    return f"_{text}" if not text or text[0].isdigit() else text


def canonical(labels: Mapping[str, str]) -> Labels:
    """The labels in the order and the spelling in which they are exported."""
    if "le" in labels:
        raise InvalidInput("metric label 'le' is Prometheus' own: choose another name")
    return tuple(sorted((exported_name(name), _printable(value)) for name, value in labels.items()))


def _printable(value: object) -> str:
    return str(value)[:LABEL_LENGTH_MAX].encode("utf-8", "replace").decode()
