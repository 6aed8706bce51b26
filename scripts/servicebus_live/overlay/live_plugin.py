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
        module = importlib.import_module("azure.servicebus._pyamqp.aio._connection_async")
        module.__dict__["WEBSOCKET_PORT"] = int(port)
        _redirect(importlib.import_module("websocket"), port)


def _redirect(module: types.ModuleType, port: str) -> None:
    """The synchronous client gives no port at all, so that its web sockets go to 443."""
    connect = module.__dict__["create_connection"]

    def create_connection(url: str, **more: object) -> object:
        return connect(url.replace("wss://localhost/", f"wss://localhost:{port}/"), **more)

    module.__dict__["create_connection"] = create_connection
