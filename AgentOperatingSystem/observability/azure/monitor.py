"""Traces, logs and metrics to Application Insights, by Azure Monitor's OpenTelemetry distribution.

In a Functions worker that has configured itself (`PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY`), traces and logs go its
way already, and this adds the metrics. Source: Microsoft Learn, "Enable Azure Monitor OpenTelemetry". Made by
`telemetry`.
"""

import logging
from typing import Any

from azure.monitor.opentelemetry import configure_azure_monitor
from azure.monitor.opentelemetry.exporter import AzureMonitorMetricExporter
from opentelemetry import trace
from opentelemetry._logs import get_logger_provider
from opentelemetry.sdk.trace import TracerProvider

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.observability.logs import Context, Redaction
from AgentOperatingSystem.observability.pipelines import FLUSH_MILLISECONDS, MetricsPump, hush, resource

_INSTRUMENTED = ("azure_sdk", "django", "fastapi", "flask", "psycopg2", "requests", "urllib", "urllib3")
"""What the distribution would patch: our own spans say more, and nothing is patched behind anybody's back."""


class AzureMonitor:
    """Telemetry to one Application Insights."""

    def __init__(self, config: AOSConfig) -> None:
        secret = config.applicationinsights_connection_string
        assert secret is not None
        hush()
        how: dict[str, Any] = {"connection_string": secret.get_secret_value(), "disable_offline_storage": True}
        if config.identity == "managed_identity":
            from azure.identity import ManagedIdentityCredential  # the exporters work in threads: no event loop there

            how["credential"] = ManagedIdentityCredential(client_id=config.identity_client_id)
        if not isinstance(trace.get_tracer_provider(), TracerProvider):
            configure_azure_monitor(
                **how,
                resource=resource(config),
                sampling_ratio=config.telemetry_sampling_ratio,
                enable_live_metrics=False,
                enable_performance_counters=False,
                disable_metrics=True,
                instrumentation_options={name: {"enabled": False} for name in _INSTRUMENTED},
            )
        self._handlers = _guarded()
        self._metrics = MetricsPump(AzureMonitorMetricExporter(**how), config)

    def close(self) -> None:
        """Sends what is left, within a few seconds."""
        self._metrics.close()
        for provider in (trace.get_tracer_provider(), get_logger_provider()):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush(FLUSH_MILLISECONDS)
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)


def _guarded() -> list[logging.Handler]:
    """The handlers of the distribution on the root logger, each with our context and our redaction from now on."""
    found = [each for each in logging.getLogger().handlers if type(each).__module__.startswith("opentelemetry")]
    for handler in found:
        handler.addFilter(Context())
        handler.addFilter(Redaction())
    return found
