"""Traces, logs and metrics to Application Insights by opencensus-ext-azure, for systems that still ask for it.

Microsoft ended its support on 30 September 2024, and OpenCensus itself is archived: off by default, and chosen by name
alone (`telemetry = "opencensus"`); `azure_monitor` is the way to go. Spans are OpenTelemetry's, as everywhere, and are
rewritten here. Source: Microsoft Learn, "Set up Azure Monitor for your Python application with OpenCensus" (retired).
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its own, of things that go in Python 3.15
    from opencensus.ext.azure.common.protocol import Data, DataPoint, Envelope, MetricData
    from opencensus.ext.azure.log_exporter import AzureLogHandler
    from opencensus.ext.azure.metrics_exporter import MetricsExporter
    from opencensus.ext.azure.trace_exporter import AzureExporter
    from opencensus.trace.span_context import SpanContext
    from opencensus.trace.span_data import SpanData
    from opencensus.trace.status import Status

from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.observability import tracing
from AgentOperatingSystem.observability.pipelines import FLUSH_MILLISECONDS, LogPipe, MetricsPump, hush, spans_to

_SERVER, _CLIENT = 1, 2
"""Kinds of span in OpenCensus; there are no others."""


class OpenCensus:
    """Telemetry to one Application Insights, the old way."""

    def __init__(self, config: AOSConfig) -> None:
        secret = config.applicationinsights_connection_string
        assert secret is not None
        hush()
        logging.getLogger(__name__).warning(
            "OpenCensus is retired (Microsoft's support ended on 30 September 2024): set telemetry to azure_monitor"
        )
        how: dict[str, Any] = {"connection_string": secret.get_secret_value(), "enable_local_storage": False}
        self._spans = Spans(Exporter(**how))
        self._tracers = spans_to(self._spans, config)
        self._pipe = LogPipe(LogHandler(**how, enable_stats_metrics=False))
        self._metrics = MetricsPump(Metrics(MetricsExporter(**how, enable_standard_metrics=False)), config)

    def close(self) -> None:
        """Sends what is left, within a few seconds."""
        tracing.use(None)
        self._tracers.force_flush(FLUSH_MILLISECONDS)
        self._tracers.shutdown()
        self._metrics.close()
        self._pipe.close()


class LogHandler(AzureLogHandler):  # type: ignore[misc]  # OpenCensus has no types
    """The exporter's handler, with a lock: since Python 3.13 a handler without one fails at every record."""

    createLock = logging.Handler.createLock


class Exporter(AzureExporter):  # type: ignore[misc]  # OpenCensus has no types
    """The exporter, which names requests by their HTTP method alone; these have names of their own."""

    def span_data_to_envelope(self, span: SpanData) -> Iterator[Envelope]:
        for envelope in super().span_data_to_envelope(span):
            if envelope.data.baseType == "RequestData":
                envelope.data.baseData.name = span.name
            yield envelope


class Spans(SpanExporter):
    """OpenTelemetry's spans, one batch at a time, as OpenCensus' exporter takes them."""

    def __init__(self, exporter: AzureExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._exporter.emit([rewritten(span) for span in spans])
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter._stop(FLUSH_MILLISECONDS / 1000)


class Metrics(MetricExporter):
    """Numbers as OpenCensus' exporter sends them; of a histogram its count and its sum."""

    def __init__(self, exporter: MetricsExporter) -> None:
        super().__init__()
        self._exporter = exporter

    def export(self, metrics_data: MetricsData, timeout_millis: float = 0, **kwargs: Any) -> MetricExportResult:
        self._exporter._transmit([self._envelope(*point) for point in _points(metrics_data)])
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 0, **kwargs: Any) -> None:
        self._exporter.shutdown()

    def _envelope(self, name: str, value: float, labels: Mapping[str, Any], at: int) -> Envelope:
        point = DataPoint(ns=name, name=name, value=value)
        data = MetricData(metrics=[point], properties={key: str(each) for key, each in labels.items()})
        return Envelope(
            iKey=self._exporter.options.instrumentation_key,
            tags={},
            time=_time(at),
            name="Microsoft.ApplicationInsights.Metric",
            data=Data(baseType="MetricData", baseData=data),
        )


def _points(found: MetricsData) -> Iterable[tuple[str, float, Mapping[str, Any], int]]:
    for sender in found.resource_metrics:
        for scope in sender.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    labels, at = point.attributes or {}, point.time_unix_nano
                    if isinstance(point, NumberDataPoint):
                        yield metric.name, float(point.value), labels, at
                    elif isinstance(point, HistogramDataPoint):
                        yield f"{metric.name}_count", float(point.count), labels, at
                        yield f"{metric.name}_sum", float(point.sum), labels, at


def rewritten(span: ReadableSpan) -> SpanData:
    """A span in OpenCensus' words."""
    context, parent, status = span.context, span.parent, span.status
    assert context is not None
    return SpanData(
        name=span.name,
        context=SpanContext(trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}"),
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{parent.span_id:016x}" if parent is not None else None,
        attributes={key: _plain(value) for key, value in (span.attributes or {}).items()},
        start_time=_time(span.start_time or 0),
        end_time=_time(span.end_time or 0),
        child_span_count=0,
        stack_trace=None,
        annotations=(),
        message_events=(),
        links=(),
        status=Status(0 if status.is_ok else 2, status.description),
        same_process_as_parent_span=parent is None or not parent.is_remote,
        span_kind=_SERVER if span.kind in (SpanKind.SERVER, SpanKind.CONSUMER) else _CLIENT,
    )


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else str(value)


def _time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
