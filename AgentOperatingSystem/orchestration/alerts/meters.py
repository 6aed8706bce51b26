"""Rules about metrics: what the registry of this process says, over a while. Asked by the desk at each look.

Rates and quantiles need two looks: this process remembers what the registry said within a rule's window.
"""

from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from AgentOperatingSystem.observability.registry import Registry
from AgentOperatingSystem.observability.series import Distribution, Labels, exported_name
from AgentOperatingSystem.orchestration.alerts.rules import MetricRule

Sample = tuple[float, tuple[float, ...]]
"""When, and a counter's value or a histogram's buckets."""


class Meters:
    """What the metrics of one process come to."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._samples: dict[tuple[str, str], deque[Sample]] = {}

    def over(self, rule: MetricRule, now: float) -> dict[str, float]:
        """Values beyond the limit, by the label `per` (empty where there is none); a metric that nobody has counted yet
        has no value.
        """
        values = dict(self._values(rule, now))
        return {name: value for name, value in values.items() if _is_beyond(rule, value)}

    def _values(self, rule: MetricRule, now: float) -> Iterator[tuple[str, float]]:
        parts: dict[str, list[Any]] = {}
        for labels, series in self._family(rule).items():
            own = dict(labels)
            if rule.labels.items() <= own.items() and (not rule.per or rule.per in own):
                parts.setdefault(own.get(rule.per, ""), []).append(series)
        for name, several in parts.items():
            value = self._value(rule, name, several, now)
            if value is not None:
                yield name, value

    def _family(self, rule: MetricRule) -> dict[Labels, Any]:
        shelf = {
            "rate": self._registry.counters,
            "gauge": self._registry.gauges,
            "quantile": self._registry.histograms,
        }[rule.of]
        families: dict[str, dict[Labels, Any]] = shelf.snapshot()  # type: ignore[attr-defined]  # one of two kinds
        name = exported_name(rule.metric)
        return families.get(name) or families.get(name.removesuffix("_total")) or {}

    def _value(self, rule: MetricRule, name: str, several: list[Any], now: float) -> float | None:
        if rule.of == "gauge":
            return float((max if rule.above is not None else min)(each.value for each in several))
        counts = _sums(several) if rule.of == "quantile" else (float(sum(each.value for each in several)),)
        earlier = self._earlier(rule, name, (now, counts))
        if earlier is None:
            return None
        grown = tuple(new - old for new, old in zip(counts, earlier[1], strict=True))
        if rule.of == "rate":
            return grown[0] / (now - earlier[0])
        return quantile(rule.quantile, several[0].bounds, grown)

    def _earlier(self, rule: MetricRule, name: str, sample: Sample) -> Sample | None:
        """The oldest sample within the window, or the one before it; None at the first look."""
        samples = self._samples.setdefault((rule.name, name), deque())
        while len(samples) > 1 and samples[1][0] <= sample[0] - rule.window_seconds:
            samples.popleft()
        earlier = samples[0] if samples and samples[0][0] < sample[0] else None
        samples.append(sample)
        return earlier


def quantile(part: float, bounds: tuple[float, ...], counts: tuple[float, ...]) -> float | None:
    """The value below which this part of the observations lies, taken as even within a bucket; the highest bound for
    what is above every one, and None where there are none. As Prometheus' `histogram_quantile`.
    """
    total = sum(counts)
    if total <= 0:
        return None
    wanted, below = part * total, 0.0
    edges = (min(0.0, bounds[0]), *bounds)
    for (low, high), count in zip(pairwise(edges), counts[:-1], strict=True):
        if count and below + count >= wanted:
            return low + (high - low) * (wanted - below) / count
        below += count
    return bounds[-1]


def _sums(several: list[Distribution]) -> tuple[float, ...]:
    return tuple(float(sum(column)) for column in zip(*(each.counts for each in several), strict=True))


def _is_beyond(rule: MetricRule, value: float) -> bool:
    if rule.above is not None:
        return value > rule.above
    return rule.below is not None and value < rule.below
