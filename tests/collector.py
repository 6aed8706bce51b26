"""A collector on loopback: takes OTLP over HTTP, and Application Insights' envelopes, and keeps what it was sent."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What arrived, of all senders."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spans: list[dict[str, Any]] = []
        self.logs: list[dict[str, Any]] = []
        self.metrics: dict[str, list[Any]] = {}
        self.envelopes: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        """Everything as it came, to look for what must not be there."""
        self.headers: list[dict[str, str]] = []

    @property
    def connection_string(self) -> str:
        """Of an Application Insights that is this collector."""
        return f"InstrumentationKey=11111111-2222-4333-8444-555555555555;IngestionEndpoint={self.url}/"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.bodies.append(body)
        self.headers.append(headers)
        if path == "/v1/traces":
            self.spans += list(_spans(ExportTraceServiceRequest.FromString(body)))
        elif path == "/v1/logs":
            self.logs += list(_logs(ExportLogsServiceRequest.FromString(body)))
        elif path == "/v1/metrics":
            self._measure(ExportMetricsServiceRequest.FromString(body))
        elif path.endswith("/track"):
            found = [json.loads(line) for line in body.decode().splitlines()]
            items = [item for each in found for item in (each if isinstance(each, list) else [each])]
            self.envelopes += items
            answer = {"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []}
            return 200, json.dumps(answer).encode()
        else:
            return 404, b""
        return 200, b""

    def _measure(self, request: Any) -> None:
        for sender in request.resource_metrics:
            for scope in sender.scope_metrics:
                for metric in scope.metrics:
                    self.metrics.setdefault(metric.name, []).append(metric)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """The data of Application Insights' envelopes of one kind, such as `RequestData`."""
        return [each["data"]["baseData"] for each in self.envelopes if each["data"]["baseType"] == kind]


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


def _spans(request: Any) -> Iterator[dict[str, Any]]:
    for sender in request.resource_spans:
        for scope in sender.scope_spans:
            for span in scope.spans:
                yield {
                    "name": span.name,
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "kind": span.kind,
                    "status": span.status.code,
                    "attributes": _plain(span.attributes),
                    "sender": _plain(sender.resource.attributes),
                }


def _logs(request: Any) -> Iterator[dict[str, Any]]:
    for sender in request.resource_logs:
        for scope in sender.scope_logs:
            for record in scope.log_records:
                yield {
                    "body": _value(record.body),
                    "trace": record.trace_id.hex(),
                    "attributes": _plain(record.attributes),
                }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    found: Collector

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = found.take(self.path, headers, body)
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
