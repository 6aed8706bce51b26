"""Telemetry leaves the process here: a host starts it once, and closes it when it ends.

    configuration → off | OTLP | Azure Monitor | OpenCensus

Whatever is chosen works in threads of its own and drops what it cannot deliver: nothing waits for it. Each way's
packages are loaded when it is chosen (extra `telemetry`).
"""

import logging
from collections.abc import Callable
from typing import Literal, Protocol

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

_log = logging.getLogger(__name__)
Way = Literal["off", "otlp", "azure_monitor", "opencensus"]
NEEDED = {
    "otlp": "otlp_endpoint",
    "azure_monitor": "applicationinsights_connection_string",
    "opencensus": "applicationinsights_connection_string",
}


class Telemetry(Protocol):
    """Telemetry under way."""

    def close(self) -> None:
        """Sends what is left, within a few seconds, and lets go of everything."""
        ...


class Off:
    """Nothing leaves."""

    def close(self) -> None:
        """Does nothing."""


def way_of(config: AOSConfig) -> Way:
    """Where telemetry goes. Raises `ConfigurationError` where the setting it needs is missing."""
    if config.telemetry == "auto":
        if config.otlp_endpoint is not None:
            return "otlp"
        return "azure_monitor" if config.applicationinsights_connection_string is not None else "off"
    needed = NEEDED.get(config.telemetry)
    if needed is not None and getattr(config, needed) is None:
        raise ConfigurationError(f"telemetry is {config.telemetry!r}: set {needed}")
    return config.telemetry


def start(config: AOSConfig) -> Telemetry:
    """Begins to send traces, logs and metrics to where the configuration says.

    Raises `ConfigurationError` where a setting or a package is missing.
    """
    way = way_of(config)
    if way == "off":
        return Off()
    try:
        telemetry = _WAYS[way](config)
    except ImportError as error:
        raise ConfigurationError(
            f"telemetry to {way} needs the package {error.name}: pip install 'agent-operating-system[telemetry]'"
        ) from None
    _log.info("traces, logs and metrics go to %s", way)
    return telemetry


def _otlp(config: AOSConfig) -> Telemetry:
    from AgentOperatingSystem.observability.otlp import Otlp

    return Otlp(config)


def _azure_monitor(config: AOSConfig) -> Telemetry:
    from AgentOperatingSystem.observability.azure.monitor import AzureMonitor

    return AzureMonitor(config)


def _opencensus(config: AOSConfig) -> Telemetry:
    from AgentOperatingSystem.observability.azure.opencensus import OpenCensus

    return OpenCensus(config)


_WAYS: dict[str, Callable[[AOSConfig], Telemetry]] = {
    "otlp": _otlp,
    "azure_monitor": _azure_monitor,
    "opencensus": _opencensus,
}
