"""`aos up`, embedded or `--azure-local`, as a process: started with an app, ended as Ctrl-C does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"
END_SECONDS = 60


@dataclass
class Up:
    """A running `aos up --json`."""

    process: "subprocess.Popen[str]"
    data: Path
    said: list[dict[str, Any]] = field(default_factory=list)
    after: ExitStack = field(default_factory=ExitStack)
    """What is to be closed when it has ended."""

    def until(self, text: str) -> dict[str, Any]:
        """The next line of its output that holds the text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if text in line:
                return self.said[-1]
        raise AssertionError(f"it ended before it said {text!r}: {self.said}")

    @property
    def url(self) -> str:
        return (self.data / "url").read_text().strip()

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    def part(self, name: str) -> dict[str, Any]:
        """What it said of a part."""
        return next(each for each in self.said if each.get("part") == name)

    def end(self) -> str:
        """Ends it as Ctrl-C does; what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        rest, errors = self.process.communicate(timeout=END_SECONDS)
        self.said += map(json.loads, rest.splitlines())
        return errors


@contextmanager
def up(data: Path, app: str, *options: str, **settings: str) -> Iterator[Up]:
    """Starts it on free ports, and waits until its agents are there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    environment |= {f"AOS_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-c", COMMAND, "up", app, "--data", str(data), "--port", "0", "--json", *options]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        running = Up(process, data)
        try:
            running.until("agents")
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=END_SECONDS)
            running.after.close()
