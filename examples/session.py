"""What the `__main__`s of the larger examples share: the main thread serves, as `aos up` does, while another thread
plays those outside and shows what happens.
"""

import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from AgentOperatingSystem import AOSConfig, AOSError
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.hosting.local import serve
from AgentOperatingSystem.hosting.tokens import token_of
from examples.client import wait_until_open

STREAM_SECONDS = 10.0
"""How long the last publication may take to be seen."""


class Session(threading.Thread):
    """One who is outside, from the first event to the table; a subclass says what it does (`play`)."""

    def __init__(self, name: str, config: AOSConfig, *, ends: bool = True) -> None:
        super().__init__(name=name, daemon=True)
        self.is_closed = threading.Event()
        """Set when the system serves no more."""
        self.exit_code = 0
        self.config = config
        self._ends = ends
        """Whether the system is to stop when this is over."""
        self._began = time.time()
        self._url = f"http://{config.host}:{config.port}"
        self._published: Counter[str] = Counter()
        """How often something was published, by subject."""

    def run(self) -> None:
        try:
            if wait_until_open(self._url, self.is_closed.is_set):
                self.play(self._url, token_of(self.config).text)
        except Exception as error:
            if not self.is_closed.is_set():
                print(f"the {self.name} broke off: {type(error).__name__}: {error}", file=sys.stderr)
                self.exit_code = 1
        if self._ends:
            signal.raise_signal(signal.SIGINT)

    def play(self, url: str, token: str) -> None:
        """What is done, when the system is open."""
        raise TypeError(f"{type(self).__name__} does not say what it plays")

    def catch_up(self, has_all: Callable[[], bool]) -> None:
        """Waits until the stream of publications has brought everything."""
        deadline = time.monotonic() + STREAM_SECONDS
        while not has_all() and time.monotonic() < deadline:
            time.sleep(0.01)


def config_of(data_dir: Path, free_port: Callable[[str], int]) -> AOSConfig:
    """The configuration of this folder and environment; where it says nothing, a data folder and a port of our own."""
    given = AOSConfig()
    return AOSConfig(
        data_dir=data_dir if given.origin("data_dir") == "default" else given.data_dir,
        port=free_port(given.host) if given.origin("port") == "default" else given.port,
    )


def serve_beside(app: Path, begin: Callable[[], Session]) -> int:
    """Serves `app` beside the session that `begin` makes; answers the exit code."""
    try:
        session = begin()
        session.start()
        code = serve(session.config, str(app), door=create_app)
        session.is_closed.set()
        return code or session.exit_code
    except AOSError as error:
        print(error, file=sys.stderr)
        return 2
