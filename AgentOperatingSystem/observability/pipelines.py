"""OpenTelemetry's machinery around exporters: spans and log records in batches, metrics every so often.

Made by the ways out (`otlp`, `azure.monitor`, `azure.opencensus`); feeds `tracing` and the root logger. The registry
of `metrics` is read as it is, so that counting costs nothing more than before.
"""

import logging
import os
import socket
from collections.abc import Iterator
from threading import Event, Thread
from time import time_ns
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.observability import metrics, tracing
from AgentOperatingSystem.observability.logs import Context, Redaction
from AgentOperatingSystem.observability.series import Distribution

FLUSH_MILLISECONDS = 3000
NOISY = ("opentelemetry", "azure.monitor", "azure.core", "opencensus")
"""What tells, at every attempt, that nobody listens: once is enough."""
_SCOPE = InstrumentationScope(tracing.INSTRUMENTATION_NAME)


def resource(config: AOSConfig) -> Resource:
    """Who sends: the service, this process of it, and its deployment."""
    return Resource.create(
        {
            "service.name": config.telemetry_service_name,
            "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
            "deployment.environment.name": config.environment,
        }
    )


def spans_to(exporter: SpanExporter, config: AOSConfig) -> TracerProvider:
    """A provider of this system's own, in use from now on; the process's global one stays what it is."""
    provider = TracerProvider(
        resource=resource(config), sampler=ParentBasedTraceIdRatio(config.telemetry_sampling_ratio)
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracing.use(provider)
    return provider


class LogPipe:
    """A handler on the root logger, with the context and the redaction that standard error has."""

    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler
        handler.addFilter(Context())
        handler.addFilter(Redaction())
        handler.addFilter(_is_ours)
        logging.getLogger().addHandler(handler)

    def close(self) -> None:
        """Takes the handler off."""
        logging.getLogger().removeHandler(self._handler)
        self._handler.close()


def _is_ours(record: logging.LogRecord) -> bool:
    """What the exporters say of themselves is not exported: it would never end."""
    return not record.name.startswith(NOISY)


class MetricsPump:
    """Hands the registry to an exporter every so often, in a thread of its own, and once more at the end."""

    def __init__(self, exporter: MetricExporter, config: AOSConfig) -> None:
        self._exporter = exporter
        self._resource = resource(config)
        self._seconds = config.telemetry_metrics_seconds
        self._began = time_ns()
        self._ending = Event()
        self._thread = Thread(target=self._run, name="aos-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sends once more and ends."""
        self._ending.set()
        self._thread.join(FLUSH_MILLISECONDS / 1000)
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            self._export()
        self._export()

    def _export(self) -> None:
        try:
            self._exporter.export(data_of(metrics.registry, self._resource, self._began, time_ns()))
        except Exception as error:  # the next time sends the same counters anew
            logging.getLogger(__name__).debug("metrics were not sent: %s", error)


def data_of(registry: metrics.Registry, sender: Resource, began: int, now: int) -> MetricsData:
    """A registry in OpenTelemetry's data model, cumulative; times are nanoseconds of Unix time."""
    found = list(_metrics(registry, began, now))
    scope = ScopeMetrics(scope=_SCOPE, metrics=found, schema_url="")
    return MetricsData(resource_metrics=[ResourceMetrics(resource=sender, scope_metrics=[scope], schema_url="")])


def _metrics(registry: metrics.Registry, began: int, now: int) -> Iterator[Metric]:
    cumulative = AggregationTemporality.CUMULATIVE
    for name, numbers in registry.counters.snapshot().items():
        counted = [NumberDataPoint(dict(labels), began, now, each.value) for labels, each in numbers.items()]
        yield _metric(registry, name, Sum(counted, cumulative, is_monotonic=True))
    for name, numbers in registry.gauges.snapshot().items():
        present = [NumberDataPoint(dict(labels), began, now, each.value) for labels, each in numbers.items()]
        yield _metric(registry, name, Gauge(present))
    for name, distributions in registry.histograms.snapshot().items():
        points = [_point(dict(labels), each, began, now) for labels, each in distributions.items()]
        yield _metric(registry, name, Histogram(points, cumulative))


def _metric(registry: metrics.Registry, name: str, data: Any) -> Metric:
    return Metric(name=name, description=registry.documentation.get(name, ""), unit="", data=data)


def _point(labels: dict[str, str], found: Distribution, began: int, now: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=began,
        time_unix_nano=now,
        count=sum(found.counts),
        sum=found.total,
        bucket_counts=tuple(found.counts),
        explicit_bounds=found.bounds,
        min=0.0,
        max=0.0,
    )


def hush() -> None:
    """Exporters that find nobody do not fill the log."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
