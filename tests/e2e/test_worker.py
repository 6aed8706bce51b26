"""`aos worker` as a container runs it: outside publishers and consumers with the vendor's SDK alone."""

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from tests.servicebus_bus import mailboxes

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "service_bus"
AOS = ("-c", "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())")


class Started:
    """A process, and what it says."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hears(self, pattern: str) -> str:
        assert self.process.stdout is not None
        while line := (await asyncio.wait_for(self.process.stdout.readline(), 30)).decode():
            if found := re.search(pattern, line):
                return found[1] if found.groups() else line
        raise AssertionError(f"it ended without saying {pattern}")

    async def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)


@pytest.fixture
async def broker() -> AsyncIterator[LocalServiceBus]:
    bus = LocalServiceBus(mailboxes(), now_seconds=time.time)
    await bus.start()
    yield bus
    await bus.stop()


async def start(broker: LocalServiceBus, folder: Path, *command: str) -> Started:
    names = {"AZURE_SERVICEBUS_CONNECTION_STRING": broker.connection_string(), "AOS_DATA_DIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env=os.environ | names | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    return Started(process)


async def test_a_publisher_a_worker_and_a_consumer(broker: LocalServiceBus, tmp_path: Path) -> None:
    command = (*AOS, "worker", str(EXAMPLES / "app.py"), "--health-port", "0", "--json")
    worker = await start(broker, tmp_path, *command)
    url = json.loads(await worker.hears("health on"))["message"].removeprefix("health on ")
    assert "broker: servicebus" in await worker.hears("agents: till")
    publisher = await start(broker, tmp_path, str(EXAMPLES / "publisher.py"))
    consumer = await start(broker, tmp_path, str(EXAMPLES / "consumer.py"))
    assert await consumer.hears("counted|till") == '/agents/till {"total":30}\n'
    async with httpx2.AsyncClient() as client:
        healthy: Any = (await client.get(url)).json()
        assert healthy["status"] == "ok"
        assert (await client.get(url.replace("health", "else"))).status_code == 404
    assert await asyncio.wait_for(publisher.process.wait(), 30) == 0
    assert await asyncio.wait_for(consumer.process.wait(), 30) == 0
    assert await worker.end() == 0
    assert "stopped" in await worker.hears("stopped")


async def test_a_worker_without_agents_says_so(broker: LocalServiceBus, tmp_path: Path) -> None:
    worker = await start(broker, tmp_path, *AOS, "worker")
    assert await asyncio.wait_for(worker.process.wait(), 30) not in (0, None)
