"""The local Service Bus is killed with -9 while clients send and complete: nothing accepted is lost, nothing completed
comes again."""

import asyncio
import gc
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.exceptions import ServiceBusError

RUN = "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"
CONFIG = """{
  // as the official emulator's, comments included
  "UserConfig": {"Namespaces": [{"Name": "sbemulatorns", "Queues": [
    {"Name": "kept", "Properties": {"RequiresSession": true, "RequiresDuplicateDetection": true}}
  ]}]}
}"""
KILLS = 2


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A broker on the folder's state, and what to connect with; killed with -9 at the end."""
    (folder / "Config.json").write_text(CONFIG)
    arguments = ("servicebus", "up", "--port", "0", "--config", str(folder / "Config.json"), "--data", str(folder))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        lines = [await asyncio.wait_for(process.stdout.readline(), 30) for _ in range(2)]
        found = re.search(r"Endpoint=\S+", lines[1].decode())
        assert found is not None, lines
        yield process, found[0]
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def send_until_it_dies(client: ServiceBusClient, accepted: list[str], life: int) -> None:
    async with client.get_queue_sender("kept") as sender:
        for number in range(100_000):
            name = f"{life}-{number}"
            message = ServiceBusMessage(name, session_id="s", message_id=name)
            try:
                await asyncio.wait_for(sender.send_messages(message), 5)
            except (ServiceBusError, TimeoutError):
                return
            accepted.append(name)


async def complete_until_it_dies(client: ServiceBusClient, tried: list[str], completed: list[str]) -> None:
    async with client.get_queue_receiver("kept", session_id="s", socket_timeout=0.02) as receiver:
        try:
            while True:
                for message in await asyncio.wait_for(receiver.receive_messages(5, max_wait_time=1), 5):
                    tried.append(str(message))
                    await asyncio.wait_for(receiver.complete_message(message), 5)
                    completed.append(str(message))
        except (ServiceBusError, TimeoutError):
            return


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves killed sockets open
async def test_kills_lose_nothing_and_bring_nothing_back(tmp_path: Path) -> None:
    accepted: list[str] = []
    tried: list[str] = []  # the last one of each life may have been completed, or not
    completed: list[str] = []
    for life in range(KILLS):
        async with (
            broker(tmp_path) as (process, connection),
            ServiceBusClient.from_connection_string(connection, retry_total=0) as client,
        ):
            tasks = [
                asyncio.create_task(send_until_it_dies(client, accepted, life)),
                asyncio.create_task(complete_until_it_dies(client, tried, completed)),
            ]
            await asyncio.sleep(1.0 + 0.3 * life)
            process.kill()
            await asyncio.gather(*tasks)
        del client, tasks
        gc.collect()
    left = [each async for each in rest(tmp_path)]
    assert len(accepted) > len(completed) > KILLS
    assert set(accepted) <= set(tried) | set(left)
    assert len(set(tried) - set(completed)) <= KILLS
    assert not set(completed) & set(left)
    assert len(left) == len(set(left))
    assert len(completed) == len(set(completed))
    assert left == sorted(left, key=lambda name: tuple(map(int, name.split("-"))))


async def rest(folder: Path) -> AsyncIterator[str]:
    """Everything that a last broker still has."""
    async with (
        broker(folder) as (_, connection),
        ServiceBusClient.from_connection_string(connection, retry_total=0) as client,
        client.get_queue_receiver("kept", session_id="s", receive_mode="receiveanddelete") as receiver,
    ):
        while found := await receiver.receive_messages(500, max_wait_time=0.3):
            for each in found:
                yield str(each)
