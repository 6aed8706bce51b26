"""Traces, logs and metrics to a collector that speaks OTLP over HTTP (protobuf).

Source: OpenTelemetry, "OTLP Specification 1.x", paths `/v1/traces`, `/v1/logs`, `/v1/metrics`. Made by `telemetry`.
"""

import logging
from typing import Any

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.observability import tracing
from AgentOperatingSystem.observability.pipelines import (
    FLUSH_MILLISECONDS,
    LogPipe,
    MetricsPump,
    hush,
    resource,
    spans_to,
)

EXPORT_SECONDS = 5.0


class Otlp:
    """Telemetry to one collector."""

    def __init__(self, config: AOSConfig) -> None:
        endpoint, headers = config.otlp_endpoint, headers_of(config)
        hush()
        how: dict[str, Any] = {"headers": headers, "timeout": EXPORT_SECONDS}
        self._tracers = spans_to(OTLPSpanExporter(f"{endpoint}/v1/traces", **how), config)
        self._logs = LoggerProvider(resource=resource(config))
        self._logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs", **how)))
        self._pipe = LogPipe(LoggingHandler(logging.NOTSET, self._logs))
        self._metrics = MetricsPump(OTLPMetricExporter(f"{endpoint}/v1/metrics", **how), config)

    def close(self) -> None:
        """Sends what is left, within a few seconds."""
        tracing.use(None)
        self._pipe.close()
        self._tracers.force_flush(FLUSH_MILLISECONDS)
        self._logs.force_flush(FLUSH_MILLISECONDS)
        self._metrics.close()
        self._tracers.shutdown()
        self._logs.shutdown()


def headers_of(config: AOSConfig) -> dict[str, str]:
    """`name=value,name=value` as headers. Raises `ConfigurationError`."""
    if config.otlp_headers is None:
        return {}
    pairs = [part.partition("=") for part in config.otlp_headers.get_secret_value().split(",")]
    if not all(name.strip() and equals for name, equals, _ in pairs):
        raise ConfigurationError("otlp_headers: expected name=value, with commas between")
    return {name.strip(): value.strip() for name, _, value in pairs}
