"""The local Functions host's pollers, against a local Service Bus and the storage emulator: order within a session,
deliveries that are counted, dead letters and poison.
"""

import asyncio
import base64
import json
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.servicebus import ServiceBusMessage, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient
from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Holding,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)
from tests.emulator import emulator, fresh_prefix
from tests.functions import hosted

HERE = Path(__file__).parent
NAMESPACE = NamespaceSettings(
    queues=(QueueSettings(name="mailbox", holding=Holding(requires_session=True, max_delivery_count=2)),),
    topics=(TopicSettings(name="news", subscriptions=(SubscriptionSettings(name="all"),)),),
)


class Recorder:
    """What the app has written down."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def seen(self, trigger: str) -> list[dict[str, Any]]:
        """By one trigger, in order."""
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [each for each in map(json.loads, lines) if each["trigger"] == trigger]

    async def until(self, trigger: str, texts: list[str]) -> list[dict[str, Any]]:
        """Returns when the trigger has seen these texts, in this order."""
        deadline = time.monotonic() + 20
        while [text for each in self.seen(trigger) for text in each["texts"]] != texts:
            assert time.monotonic() < deadline, self.seen(trigger)
            await asyncio.sleep(0.05)
        return self.seen(trigger)


@asynccontextmanager
async def recording(folder: Path, bus: LocalServiceBus, queue: str) -> AsyncIterator[Recorder]:
    """A host of the recording app; its process is looked after in a thread, because the broker lives in this loop."""
    shutil.copy(HERE / "recorder_function_app.py", folder / "function_app.py")
    limits = {"queues": {"maxDequeueCount": 2}, "http": {"routePrefix": ""}}
    (folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": limits}))
    settings = {"RECORD": folder / "record", "BUS": bus.connection_string(), "MAILBOX": "mailbox", "QUEUE": queue}
    host = hosted(folder, "sdk", STORE=emulator().connection_string, **settings)
    await asyncio.to_thread(host.__enter__)
    try:
        yield Recorder(folder / "record")
    finally:
        await asyncio.to_thread(host.__exit__, None, None, None)


async def test_every_trigger_counts_deliveries_and_gives_up_in_the_end(tmp_path: Path) -> None:
    bus, name = LocalServiceBus(NAMESPACE, now_seconds=time.time), fresh_prefix()
    await bus.start()
    async with (
        recording(tmp_path, bus, name) as recorder,
        ServiceBusClient.from_connection_string(bus.connection_string()) as client,
        QueueClient.from_connection_string(emulator().connection_string, name) as queue,
    ):
        await asyncio.gather(
            sessions_are_served_in_order(client, recorder),
            a_topic_s_messages_come_one_by_one(client, recorder),
            a_queue_s_poison_is_moved(queue, recorder),
        )
        assert len(recorder.seen("timer")) >= 2
    await bus.stop()


async def sessions_are_served_in_order(client: ServiceBusClient, recorder: Recorder) -> None:
    """A batch that fails comes again as a whole, and counts; in the end it is with the dead letters."""
    async with client.get_queue_sender("mailbox") as sender:
        said = [ServiceBusMessage(text, session_id="a", application_properties={"n": 1}) for text in ("1", "2", "3")]
        await sender.send_messages(said)
        seen = await recorder.until("batch", ["1", "2", "3"])
        assert {(each["session"], each["deliveries"], each["properties"]["n"]) for each in seen} == {("a", 1, 1)}
        await sender.send_messages(ServiceBusMessage("fails once", session_id="b"))
        seen = await recorder.until("batch", ["1", "2", "3", "fails once", "fails once"])
        assert [each["deliveries"] for each in seen][-2:] == [1, 2]
        await sender.send_messages(ServiceBusMessage("fails", session_id="c"))
    async with client.get_queue_receiver("mailbox", sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead:
        found = await dead.receive_messages(max_wait_time=20)
    assert [str(each) for each in found] == ["fails"]
    assert [each["deliveries"] for each in recorder.seen("batch") if each["texts"] == ["fails"]] == [1, 2]


async def a_topic_s_messages_come_one_by_one(client: ServiceBusClient, recorder: Recorder) -> None:
    async with client.get_topic_sender("news") as sender:
        await sender.send_messages([ServiceBusMessage("fails once", message_id="n1")])
    seen = await recorder.until("single", ["fails once", "fails once"])
    assert [(each["id"], each["deliveries"]) for each in seen] == [("n1", 1), ("n1", 2)]


async def a_queue_s_poison_is_moved(queue: QueueClient, recorder: Recorder) -> None:
    with suppress(ResourceExistsError):  # the host makes it, too
        await queue.create_queue()
    for text in ("plain", "fails"):
        await queue.send_message(base64.b64encode(text.encode()).decode() if text == "fails" else text)
    deadline = time.monotonic() + 20
    while len(recorder.seen("queue")) < 3:
        assert time.monotonic() < deadline, recorder.seen("queue")
        await asyncio.sleep(0.05)
    seen = sorted((each["texts"][0], each["deliveries"]) for each in recorder.seen("queue"))
    assert seen == [("fails", 1), ("fails", 2), ("plain", 1)]
    poison = f"{queue.queue_name}-poison"
    async with QueueClient.from_connection_string(emulator().connection_string, poison) as grave:
        while not (found := [each async for each in grave.receive_messages()]):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
    assert base64.b64decode(found[0].content) == b"fails"
    assert (await queue.get_queue_properties()).approximate_message_count == 0
