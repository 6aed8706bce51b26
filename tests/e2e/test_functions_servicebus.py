"""function_app.py on Service Bus, with Microsoft's runtime and with its SDK: sessions as turns, publications, dead
letters, and a host that stands still in the middle of a turn while another one goes on.
"""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Entrance,
    Holding,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)
from tests.emulator import emulator, fresh_prefix
from tests.functions import ROOT, FunctionsHost, hosted, runtime_python

LOCK_SECONDS = 3.0
MAILBOX = Holding(requires_session=True, lock_seconds=LOCK_SECONDS, max_delivery_count=10)
NAMESPACE = NamespaceSettings(
    queues=(QueueSettings(name="aos-mailbox", holding=MAILBOX, entrance=Entrance(duplicate_window_seconds=600)),),
    topics=(TopicSettings(name="aos-events", subscriptions=(SubscriptionSettings(name="aos-router"),)),),
)


class Deployment:
    """Hosts on one namespace and one account."""

    def __init__(self, bus: LocalServiceBus, stack: AsyncExitStack) -> None:
        self.bus = bus
        self._stack = stack
        self._table = fresh_prefix()

    async def host(self, folder: Path, engine: str) -> FunctionsHost:
        """One more host; its process is looked after in a thread, because the broker lives in this loop."""
        settings = {"app": ROOT / "tests" / "functions_app.py", "storage_table": self._table}
        settings |= {"storage_connection_string": emulator().connection_string}
        process = hosted(folder, engine, servicebus_connection_string=self.bus.connection_string(), **settings)
        host = await asyncio.to_thread(process.__enter__)
        self._stack.push_async_callback(asyncio.to_thread, process.__exit__, None, None, None)
        return host


@asynccontextmanager
async def deployed() -> AsyncIterator[Deployment]:
    """Nothing yet but a broker."""
    bus = LocalServiceBus(NAMESPACE, now_seconds=time.time)
    await bus.start()
    try:
        async with AsyncExitStack() as stack:
            yield Deployment(bus, stack)
    finally:
        await bus.stop()


async def asked(host: FunctionsHost, method: str, path: str, **more: Any) -> Any:
    """The JSON that the app's doors answer."""

    def ask() -> Any:
        with host.client() as client:
            return client.request(method, path, **more).json()

    return await asyncio.to_thread(ask)


async def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.1)
    return found


@pytest.mark.parametrize("engine", ["runtime", "sdk"])
async def test_sessions_publications_and_dead_letters(engine: str, tmp_path: Path) -> None:
    if engine == "runtime" and not runtime_python():
        pytest.skip("no Python 3.13 for azure-functions-runtime")
    async with deployed() as deployment:
        host = await deployment.host(tmp_path / "app", engine)
        body = {"type": "t", "data": "http"}
        answer = await asked(host, "POST", "/api/v1/agents/counter/events?key=http&wait=20", json=body)
        assert answer["result"] == 1
        await send_as_strangers(deployment.bus)
        await until(lambda: is_state(host, "counter?key=queue", {"seen": list(range(20))}))
        await until(lambda: is_state(host, "listener", {"counter.moved": 21, "door.opened": 1}))
        letter = {"SessionId": "default|counter/grave", "MessageId": "d"}
        why = {"DeadLetterReason": "MaxDeliveryCountExceeded"}
        exhumed = await asyncio.to_thread(partial(host.run, "dead_letter", '"late"', UserProperties=why, **letter))
        assert exhumed.status_code == 202
        reasons = await until(lambda: quarantined(host, 2))
    assert any("cannot be read" in reason for reason in reasons)
    assert any("MaxDeliveryCountExceeded" in reason for reason in reasons)


async def send_as_strangers(bus: LocalServiceBus) -> None:
    """What others send with nothing but the vendor's client: to one agent in order, to the topic, and nonsense."""
    async with ServiceBusClient.from_connection_string(bus.connection_string()) as client:
        async with client.get_queue_sender("aos-mailbox") as sender:
            said = [ServiceBusMessage(json.dumps(n), session_id="default|counter/queue") for n in range(20)]
            await sender.send_messages(said)
            await sender.send_messages(ServiceBusMessage(b"\xff", session_id="nobody"))
        async with client.get_topic_sender("aos-events") as sender:
            await sender.send_messages(ServiceBusMessage("{}", subject="door.opened"))


async def is_state(host: FunctionsHost, agent: str, state: Any) -> bool:
    """Whether an agent's state is this."""
    name, _, query = agent.partition("?")
    return bool(await asked(host, "GET", f"/api/v1/agents/{name}/state?{query}") == state)


async def quarantined(host: FunctionsHost, count: int) -> list[str]:
    """Why events are in the quarantine, as soon as there are so many."""
    items = (await asked(host, "GET", "/api/v1/quarantine"))["items"]
    return [item["reason"] for item in items] if len(items) >= count else []


async def test_a_host_that_stands_still_past_its_lock_changes_nothing(tmp_path: Path) -> None:
    """Two hosts on one agent: the first is stopped in the middle of its turn, the second one finishes the event, the
    first one goes on and loses its commit: one event, applied once.
    """
    begun = tmp_path / "begun"
    body = {"type": "t", "data": {"file": str(begun), "seconds": 1.0}}
    async with deployed() as deployment:
        hosts = await asyncio.gather(*(deployment.host(tmp_path / name, "sdk") for name in ("one", "two")))
        event = await asked(hosts[0], "POST", "/api/v1/agents/slow/events", json=body)
        first = (await until(partial(asyncio.to_thread, pids, begun, 1)))[0]
        other = next(host for host in hosts if host.process.pid != first)
        os.kill(first, signal.SIGSTOP)
        try:
            second = (await until(partial(asyncio.to_thread, pids, begun, 2)))[1]
            outcome = await until(lambda: ended(other, event["id"]))
        finally:
            os.kill(first, signal.SIGCONT)
        stopped = next(host for host in hosts if host is not other)
        await asyncio.to_thread(stopped.hears, "mailbox: ")  # its function has ended, one way or the other
        head = await asked(other, "GET", "/api/v1/agents/slow")
        state = await asked(other, "GET", "/api/v1/agents/slow/state")
    assert {first, second} == {host.process.pid for host in hosts}
    assert (outcome["result"], head["handled"], state) == (1, 1, {"n": 1})


def pids(path: Path, count: int) -> list[int]:
    """Which processes have begun, as soon as there are so many."""
    lines = path.read_text().split() if path.exists() else []
    return [int(line) for line in lines] if len(lines) >= count else []


async def ended(host: FunctionsHost, event_id: str) -> Any:
    """The event's outcome, as soon as it is done."""
    outcome = await asked(host, "GET", f"/api/v1/agents/slow/events/{event_id}")
    return outcome if outcome.get("status") == "done" else None
