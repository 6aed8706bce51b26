"""A registry in Prometheus' text format, version 0.0.4, written by prometheus-client.

`metrics.prometheus_text` imports this module at the first scrape; nothing else does, and no process pays for it before.
Source: Prometheus documentation, "Exposition formats".
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from AgentOperatingSystem.observability.registry import Kind, Registry
from AgentOperatingSystem.observability.series import Distribution, Labels, Number


def text(registry: Registry) -> str:
    """Every metric of the registry with its documentation, in the order of the names."""
    # Anything with `collect` can be written out; the type asks for the whole of the library's own registry.
    source = cast(CollectorRegistry, Families(registry))
    return generate_latest(source).decode()


class Families:
    """A registry as prometheus-client's writer wants to see it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        return iter(sorted(self._metrics(), key=lambda metric: metric.name))

    def _metrics(self) -> Iterator[Metric]:
        for name, numbers in self._registry.counters.snapshot().items():
            yield self._numbers(name, "counter", numbers)
        for name, numbers in self._registry.gauges.snapshot().items():
            yield self._numbers(name, "gauge", numbers)
        for name, distributions in self._registry.histograms.snapshot().items():
            yield self._distributions(name, distributions)

    def _metric(self, name: str, kind: Kind) -> Metric:
        return Metric(name, self._registry.documentation.get(name, ""), kind)

    def _numbers(self, name: str, kind: Kind, series: dict[Labels, Number]) -> Metric:
        name = name.removesuffix("_total") if kind == "counter" else name
        metric = self._metric(name, kind)
        for labels, number in series.items():
            metric.add_sample(f"{name}_total" if kind == "counter" else name, dict(labels), number.value)
        return metric

    def _distributions(self, name: str, series: dict[Labels, Distribution]) -> Metric:
        metric = self._metric(name, "histogram")
        for labels, distribution in series.items():
            counts = list(accumulate(distribution.counts))
            for bound, count in zip((*map(str, distribution.bounds), "+Inf"), counts, strict=True):
                metric.add_sample(f"{name}_bucket", {**dict(labels), "le": bound}, count)
            metric.add_sample(f"{name}_count", dict(labels), counts[-1])
            metric.add_sample(f"{name}_sum", dict(labels), distribution.total)
        return metric
