"""Makes the vendor's SDK find the local Service Bus: its certificate is trusted, web sockets go to its port."""

import importlib
import os
import types

import certifi


def pytest_configure(config: object) -> None:
    """Markers of Microsoft's tests, the certificate, and the port that is always 443 at the vendor's."""
    for name in ("liveTest", "live_test_only", "playback_test_only"):
        config.addinivalue_line("markers", name)  # type: ignore[attr-defined]  # pytest's Config, which has no stubs here
    bundle = os.environ.get("SSL_CERT_FILE")
    if bundle is not None:
        certifi.where = lambda: bundle
    port = os.environ.get("LIVE_NAMESPACE", "").partition(":")[2]
    if port:
        for module in ("_pyamqp._connection", "_pyamqp.aio._connection_async"):
            _set_port(importlib.import_module(f"azure.servicebus.{module}"), int(port))


def _set_port(module: types.ModuleType, port: int) -> None:
    module.__dict__["WEBSOCKET_PORT"] = port
