"""A registry as JSON, for those who read no Prometheus text: `GET /api/v1/system/metrics` (specification row 245)."""

from itertools import accumulate
from typing import Any

import msgspec

from AgentOperatingSystem.observability.registry import Registry
from AgentOperatingSystem.observability.series import Distribution, Labels, Number


class SeriesView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One set of labels."""

    labels: dict[str, str]
    value: float | msgspec.UnsetType = msgspec.UNSET
    """A counter's or gauge's; the sum of a histogram's observations."""
    count: int | msgspec.UnsetType = msgspec.UNSET
    """How many observations a histogram has."""
    buckets: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    """How many of them are at most so large."""


class MetricView(msgspec.Struct, frozen=True):
    """One metric with all of its series."""

    name: str
    kind: str
    help: str
    series: list[SeriesView]


def document(registry: Registry) -> list[MetricView]:
    """Every metric, by name."""
    shelves: list[tuple[str, dict[str, Any]]] = [
        ("counter", registry.counters.snapshot()),
        ("gauge", registry.gauges.snapshot()),
        ("histogram", registry.histograms.snapshot()),
    ]
    found = [_metric(registry, kind, name, family) for kind, shelf in shelves for name, family in shelf.items()]
    return sorted(found, key=lambda each: each.name)


def _metric(registry: Registry, kind: str, name: str, family: dict[Labels, Any]) -> MetricView:
    exported = f"{name.removesuffix('_total')}_total" if kind == "counter" else name
    series = [_series(dict(labels), each) for labels, each in family.items()]
    return MetricView(exported, kind, registry.documentation.get(name, ""), series)


def _series(labels: dict[str, str], series: Number | Distribution) -> SeriesView:
    if isinstance(series, Number):
        return SeriesView(labels, series.value)
    counts = list(accumulate(series.counts))
    names = (*map(str, series.bounds), "+Inf")
    return SeriesView(labels, series.total, counts[-1], dict(zip(names, counts, strict=True)))
