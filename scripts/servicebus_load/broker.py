"""A broker in a process of its own, as `aos servicebus up` runs it, and what it takes of the machine."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

RUN = "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Broker:
    """A running one."""

    process: asyncio.subprocess.Process
    connection_string: str
    port: int
    admin: str

    @property
    def megabytes(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return round(pages * _PAGE_BYTES / 2**20, 1)

    @property
    def processor_seconds(self) -> float:
        """Processor time until now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    @property
    def is_running(self) -> bool:
        """Whether it is still there."""
        return self.process.returncode is None


def config(folder: Path, *queues: str) -> Path:
    """A Config.json with these queues; one whose name ends with `-sessions` has sessions."""
    declared = [{"Name": name, "Properties": {"RequiresSession": name.endswith("-sessions")}} for name in queues]
    path = folder / "Config.json"
    path.write_text(json.dumps({"UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": declared}]}}))
    return path


@asynccontextmanager
async def running(folder: Path, *queues: str, persist: bool = False) -> AsyncIterator[Broker]:
    """A broker with these queues; `persist` keeps its state in the folder, each accepted message fsynced."""
    arguments = ["servicebus", "up", "--json", "--port", "0", "--config", str(config(folder, *queues))]
    if persist:
        arguments += ["--persist", str(folder / "state")]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        document = b""
        while not document.rstrip().endswith(b"}"):
            line = await asyncio.wait_for(process.stdout.readline(), 60)
            if not line:
                raise RuntimeError("the broker did not begin")
            document += line
        told = json.loads(document)
        yield Broker(process, told["connection_string"], told["port"], told["admin"])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
