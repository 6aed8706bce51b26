"""Where traces, logs and metrics go, beside standard error and `/metrics`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import Seconds


class TelemetrySettings(BaseSettings):
    """Where traces, logs and metrics go, beside standard error and `/metrics`."""

    telemetry: Literal["auto", "off", "otlp", "azure_monitor", "opencensus"] = Field(
        "auto",
        description="Where traces, logs and metrics go; `auto`: to `otlp_endpoint` or Application Insights, whichever "
        "is set. `opencensus` is the retired way to Application Insights.",
    )
    otlp_endpoint: kinds.Url | None = Field(
        None, description="A collector that takes OTLP over HTTP, such as http://127.0.0.1:4318."
    )
    otlp_headers: kinds.ApiKey | None = Field(
        None, description="Secret. Headers for that collector, as `name=value`, with commas between."
    )
    applicationinsights_connection_string: kinds.ApiKey | None = Field(
        None, description="Secret. The connection string of Application Insights."
    )
    telemetry_service_name: kinds.Name = Field("aos", description="What this system is called in traces and metrics.")
    telemetry_sampling_ratio: float = Field(
        1.0, ge=0, le=1, description="How many of the traces that begin here are kept: 1 means all."
    )
    telemetry_metrics_seconds: Seconds = Field(
        60, gt=0, description="How often metrics are sent, in seconds; `/metrics` is there all the time."
    )
    alerts_file: Path | None = Field(
        None, description="A JSON file with rules for alerts, in place of those that are shipped."
    )
    alerts_webhook_url: kinds.Url | None = Field(
        None, description="Where it is posted that an alert began or ended; the topic `aos.alerts` has it anyway."
    )
