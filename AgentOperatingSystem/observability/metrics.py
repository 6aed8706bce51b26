"""The metrics of this process: `metrics.increment("agent.events.processed")` from anywhere (specification row 207).

    metrics.increment("agent.events.processed", agent="ceo")
    metrics.histogram("agent.processing.duration", 0.012)
    metrics.gauge("agents.warm", 17)

The HTTP door answers `/metrics` with `prometheus_text()`. Code that wants a registry of its own, such as a test, makes
a `Registry`.
"""

from AgentOperatingSystem.observability.registry import DEFAULT_BUCKETS, Registry

__all__ = [
    "DEFAULT_BUCKETS",
    "PROMETHEUS_CONTENT_TYPE",
    "Registry",
    "describe",
    "gauge",
    "histogram",
    "increment",
    "prometheus_text",
    "registry",
    "value",
]

PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

registry = Registry()
increment = registry.increment
gauge = registry.gauge
histogram = registry.histogram
describe = registry.describe
value = registry.value


def prometheus_text() -> str:
    """Every metric of this process in Prometheus' text format, to be served as `PROMETHEUS_CONTENT_TYPE`."""
    from AgentOperatingSystem.observability import prometheus  # prometheus-client is only for those who scrape

    return prometheus.text(registry)
