"""A page's commands, typed into one shell in a folder of their own, with what the page says they print.

`$ command` lines are typed; what follows up to the next one is expected on the terminal, `…` standing for anything.
A block without `$` holds commands alone. `aos up …` and `aos functions up …` stay in the background, on a
free port that stands in for 8080 and 7071, until the next one or the page's end.
"""

import os
import queue
import re
import signal
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from tests.docs.markdown import ROOT, Block

LANGUAGES = ("bash", "console", "sh", "shell")
NOT_RUN = ("make", "pip ", "git ", "az ", "azd ")
"""What changes the machine, or has a test of its own: only checked for what it names."""
INSTALLED = "pip install . && "
"""What is done already where these tests run."""
STREAMS = ("aos tail", "aos mcp", "curl -N")
"""What ends when it is told to."""
FUNCTIONS_ADDRESS = "127.0.0.1:7071"
READY_SECONDS = 30.0
COMMAND_SECONDS = 60.0
STREAM_SECONDS = 3.0
_DONE = "-- done:"
_COMMENT = re.compile(r"\s+# .*$")


@dataclass(frozen=True)
class Command:
    text: str
    expected: tuple[str, ...]
    """Empty where the page does not show what it prints."""
    where: str

    @property
    def is_run(self) -> bool:
        return not self.text.startswith(NOT_RUN)


def commands_of(block: Block) -> list[Command]:
    """The commands of a block, continuation lines joined, comments left out; none where it is no shell."""
    if block.language not in LANGUAGES or "fragment" in block.marks:
        return []
    text = re.sub(r"\\\n\s*", " ", block.text).replace(INSTALLED, "")
    if not text.startswith("$ "):
        lines = (_COMMENT.sub("", line) for line in text.splitlines() if not line.startswith("#"))
        return [Command(line, (), block.where) for line in lines if line]
    typed = (part.rstrip("\n").split("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:])
    return [Command(_COMMENT.sub("", first), tuple(rest), block.where) for first, *rest in typed]


def matches(expected: tuple[str, ...], printed: str) -> bool:
    """Whether the terminal shows what the page does; blanks are as wide as they like."""
    return re.fullmatch(_pattern("\n".join(expected)), _plain(printed)) is not None


class Session:
    """One page's terminal."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._environment = {
            "AOS_PORT": str(self.port),
            "COLUMNS": "120",
            "HOME": str(folder),
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        self._server: subprocess.Popen[str] | None = None
        self._shell = self._spawn(["bash", "--norc", "--noprofile"], folder, subprocess.PIPE)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def type(self, command: Command) -> None:
        """Runs a command and compares. Raises `AssertionError`."""
        text = command.text.replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        text = text.replace(FUNCTIONS_ADDRESS, f"127.0.0.1:{self.port}")
        text = text.replace("aos functions up", f"aos functions up --port {self.port}")
        if text.startswith(("aos up", "aos functions up")):
            self._serve(text)
            return
        stream = text.startswith(STREAMS)
        code, printed = self._typed(f"timeout -s INT {STREAM_SECONDS} {text}" if stream else text)
        shown = printed.replace(f":{self.port}", ":8080")
        assert code == 0 or stream or command.expected, f"{command.where}: {text}\nended with {code}\n{shown}"
        promised = "\n".join(command.expected)
        assert not promised or matches(command.expected, shown), (
            f"{command.where}: {text}\n-- the page shows:\n{promised}\n-- the terminal showed:\n{shown}"
        )

    def close(self) -> None:
        """Ends the server as Ctrl-C does, and the shell."""
        self._stop()
        self._shell.communicate("exit\n", timeout=READY_SECONDS)

    # --- inside -----------------------------------------------------------------------------------------------

    def _typed(self, text: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{{ {text}\n}} </dev/null\necho; echo '{_DONE}' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        while not (line := self._lines.get(timeout=COMMAND_SECONDS)).startswith(_DONE):
            lines.append(line)
        return int(line.removeprefix(_DONE)), "".join(lines).strip("\n")

    def _read(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            self._lines.put(line)

    def _serve(self, text: str) -> None:
        self._stop()
        folder = Path(self._typed("pwd")[1])
        self._server = self._spawn(["bash", "-c", f"exec {text}"], folder, subprocess.DEVNULL)
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            assert self._server.poll() is None, f"{text}\n{self._server.communicate()[0]}"
            assert time.monotonic() < deadline, f"{text}: not ready after {READY_SECONDS:g} s"
            time.sleep(0.05)

    def _stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.communicate(timeout=READY_SECONDS)
            self._server = None

    def _spawn(self, command: list[str], folder: Path, stdin: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=self._environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _answers(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/health/live", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """A terminal in `folder`; what it started ends with it."""
    terminal = Session(folder)
    try:
        yield terminal
    finally:
        terminal.close()


def _pattern(shown: str) -> str:
    parts = _plain(shown).split("…")
    return r"(?s:.*?)".join(re.escape(part.strip(" ")) if part.strip(" ") else part for part in parts)


def _plain(text: str) -> str:
    return "\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in text.strip("\n").splitlines())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
