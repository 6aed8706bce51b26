"""Observability: metrics, traces and logs, called from everywhere and calling nobody.

`from AgentOperatingSystem.observability import metrics, tracing` is the specification's call (row 207 and 209). The
modules are loaded at first use (PEP 562); what exports them, prometheus-client and OpenTelemetry, even later.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from AgentOperatingSystem.observability import logs, metrics, tracing

__all__ = ["logs", "metrics", "tracing"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
