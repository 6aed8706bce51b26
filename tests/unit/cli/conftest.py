import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from AgentOperatingSystem.cli.app import run


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh current directory, and an environment without any variable that the configuration reads."""
    for name in os.environ:
        if name.startswith(("AOS_", "AZURE_")) or name == "APP_ENVIRONMENT":
            monkeypatch.delenv(name)
    monkeypatch.setenv("AOS_PORT", "1")  # nobody listens there
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Ran(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str


Aos = Callable[..., Ran]


@pytest.fixture
def aos(capsys: pytest.CaptureFixture[str]) -> Aos:
    """Runs a command line in this process."""

    def run_it(*arguments: str) -> Ran:
        code = run(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_it


class Loopback:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Callable[[BaseHTTPRequestHandler], None]] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def says(self, status: int, body: bytes, kind: str = "application/json") -> None:
        """Queues an answer."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)

        self.answers.append(answer)

    def streams(self, *parts: bytes) -> None:
        """Queues a stream of server-sent events, which ends after the last part."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.end_headers()
            for part in parts:
                handler.wfile.write(part)

        self.answers.append(answer)

    def breaks_off(self) -> None:
        """Queues the end of the connection, without a word."""
        self.answers.append(lambda handler: None)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                loopback.requests.append((self.command, self.path, dict(self.headers.items()), body))
                loopback.answers.pop(0)(self)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nothing on standard error."""

        return Handler


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()
