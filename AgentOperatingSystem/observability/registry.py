"""The metrics of one process, in memory: counters, gauges and histograms with a bounded number of series.

The kernel counts here for every event, so an update that was made before costs well under a microsecond and takes no
lock. `prometheus` reads it. Nothing grows without a bound: labels beyond `series_max` of a metric, and metrics beyond
`names_max`, are counted together.
"""

from math import inf
from typing import Literal, TypeAlias

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.observability.series import SERIES_MAX, Distribution, Number, Shelf, canonical, exported_name

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

NAMES_MAX = 1_000
# Seconds, from a warm event without steps up to the time limit of a turn.
DEFAULT_BUCKETS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)


class Registry:
    """Counters, gauges and histograms by name; a name that is used as two kinds raises `InvalidInput`.

    Names may be spelled with dots; `a.b` and `a_b` are one metric. Labels are keyword arguments; their values are text,
    cut at 200 characters.
    """

    def __init__(self, series_max: int = SERIES_MAX, names_max: int = NAMES_MAX) -> None:
        self._names_max = names_max
        self._kinds: dict[str, Kind] = {}
        self._buckets: dict[str, tuple[float, ...]] = {}
        self.documentation: dict[str, str] = {}
        self.counters = Shelf(lambda name: self._claim(name, "counter"), lambda _: Number(), series_max)
        self.gauges = Shelf(lambda name: self._claim(name, "gauge"), lambda _: Number(), series_max)
        self.histograms = Shelf(
            lambda name: self._claim(name, "histogram"),
            lambda name: Distribution(self._buckets.get(name, DEFAULT_BUCKETS)),
            series_max,
        )

    def increment(self, name: str, value: float = 1.0, /, **labels: str) -> None:
        """Adds to a counter. Raises `InvalidInput` for a value below 0, infinite or not a number."""
        if not 0 <= value < inf:
            raise InvalidInput(f"metric {name!r}: a counter grows by a finite number of at least 0, not by {value}")
        try:
            self.counters.cache[(name, *labels.items()) if labels else name].value += value
        except (KeyError, TypeError):  # first use, or a label that cannot be a key
            self.counters.find(name, labels).value += value

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """Sets a gauge."""
        try:
            self.gauges.cache[(name, *labels.items()) if labels else name].value = value
        except (KeyError, TypeError):
            self.gauges.find(name, labels).value = value

    def histogram(self, name: str, value: float, /, **labels: str) -> None:
        """Counts an observation: a duration in seconds, unless `describe` gave other buckets.

        Raises `InvalidInput` for a value that is infinite or not a number.
        """
        if not -inf < value < inf:
            raise InvalidInput(f"metric {name!r}: a histogram counts finite numbers, not {value}")
        try:
            self.histograms.cache[(name, *labels.items()) if labels else name].observe(value)
        except (KeyError, TypeError):
            self.histograms.find(name, labels).observe(value)

    def describe(self, name: str, documentation: str, buckets: tuple[float, ...] | None = None) -> None:
        """Says what a metric means and, for a histogram without observations, the upper bounds of its buckets."""
        exported = exported_name(name)
        self.documentation[exported] = documentation
        if buckets is not None:
            if exported in self._kinds or list(buckets) != sorted(set(buckets)):
                raise InvalidInput(f"metric {name!r}: buckets rise, and are given before the first observation")
            self._buckets[exported] = buckets

    def value(self, name: str, /, **labels: str) -> float:
        """A counter's or gauge's present value, or how many observations a histogram has; 0 where there is nothing."""
        exported, key = exported_name(name), canonical(labels)
        for shelf in (self.counters, self.gauges):
            number = shelf.families.get(exported, {}).get(key)
            if number:
                return number.value
        distribution = self.histograms.families.get(exported, {}).get(key)
        return float(sum(distribution.counts)) if distribution else 0.0

    def _claim(self, name: str, kind: Kind) -> str:
        """The exported name, which belongs to this kind from now on."""
        exported = exported_name(name)
        if exported not in self._kinds and len(self._kinds) >= self._names_max:
            exported = f"metric_names_overflow_{kind}"
        if self._kinds.setdefault(exported, kind) != kind:
            raise InvalidInput(f"metric {name!r} is a {self._kinds[exported]}, not a {kind}")
        return exported
