"""A whole system whose messages Service Bus carries: the vendor's SDK on one side, agents on the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.events import event_message
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.servicebus.bus import ServiceBusBus
from AgentOperatingSystem.messaging.servicebus.mail import mail_of
from AgentOperatingSystem.messaging.servicebus.records import Received
from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager
from tests.emulator import emulator
from tests.servicebus import MovingClock
from tests.servicebus_bus import mailboxes

TILL = AgentId("till")
heard: list[Any] = []


async def collect(message: Any) -> None:
    heard.append(message)


class Till(BaseAgent):
    """Adds up what it is told, and what is published as `sale.*`."""

    name = "till"
    subscriptions = ("sale.*",)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state.setdefault("seen", []).append(event.data)
        if event.data == "steps":
            for number in range(3):
                await context.step("slow", slow, number)
        await context.publish("counted", len(self.state["seen"]))
        return len(self.state["seen"])


calls: list[int] = []
gate = asyncio.Event()


async def slow(number: int) -> int:
    """A step; the first waits for the test."""
    calls.append(number)
    if number == 0 and calls.count(0) == 1:
        await gate.wait()
    return number


class Desk(NamedTuple):
    aos: AgentOperatingSystem
    broker: LocalServiceBus
    client: ServiceBusClient
    clock: MovingClock

    @property
    def bus(self) -> ServiceBusBus:
        assert isinstance(self.aos.bus, ServiceBusBus)
        return self.aos.bus

    async def mail(self, body: str | bytes, **fields: Any) -> None:
        """What somebody outside sends to the till's session."""
        async with self.client.get_queue_sender("aos-mailbox", socket_timeout=0.01, keep_alive=0) as sender:
            await sender.send_messages(ServiceBusMessage(body, **({"session_id": TILL.session} | fields)))

    async def announce(self, body: str | bytes, **fields: Any) -> None:
        """What somebody outside publishes."""
        async with self.client.get_topic_sender("aos-events", socket_timeout=0.01, keep_alive=0) as sender:
            await sender.send_messages(ServiceBusMessage(body, **fields))

    async def seen(self) -> list[Any]:
        state: Any = await self.aos.context_server(TILL).load_state()
        return list((state or {}).get("seen", []))

    async def quarantined(self) -> list[tuple[str, str, str]]:
        page = await self.aos.quarantine.list("default")
        return [(str(row.event.agent), row.event.type, row.reason) for row in page.items]


@asynccontextmanager
async def opened(folder: Path, store: dict[str, Any] | None = None, **settings: Any) -> AsyncIterator[Desk]:
    clock = MovingClock()
    broker = LocalServiceBus(mailboxes(**settings), now_seconds=clock.now)
    await broker.start()
    config = AOSConfig(data_dir=folder, servicebus_connection_string=broker.connection_string(), **(store or {}))
    client = ServiceBusClient.from_connection_string(broker.connection_string())
    async with client, AgentOperatingSystem(config) as aos:
        await aos.register_agent(Till)
        aos.start()
        yield Desk(aos, broker, client, clock)
    await broker.stop()


async def until(what: Callable[[], Any], seconds: float = 15.0) -> Any:
    """What it answers as soon as that is something."""
    deadline = time.monotonic() + seconds
    while not (found := await what()) and time.monotonic() < deadline:  # noqa: ASYNC110  # it is of another process
        await asyncio.sleep(0.02)
    return found


async def test_the_specifications_calls_work_on_service_bus(tmp_path: Path) -> None:
    heard.clear()
    async with opened(tmp_path) as desk:
        message_bus, data = desk.aos.message_bus, {"n": 1}
        await message_bus.subscribe(topic="agent.events", handler=collect)
        await message_bus.publish(topic="agent.events", message=data)
        await message_bus.publish("sale.made", 7)
        assert await desk.aos.send_agent_message("ceo", "till", 8) in (1, 2)
        await until(lambda: _answer(heard))
        assert heard == [data]
        assert sorted(await until(lambda: _all(desk, 2))) == [7, 8]


async def test_outsiders_wake_agents_and_what_is_bad_is_put_aside(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.mail("hello", message_id="m1")
        await desk.announce('{"total": 3}', subject="sale.made", message_id="p1")
        cloud = {"cloudEvents:specversion": "1.0", "cloudEvents:id": "e1", "cloudEvents:source": "/shop"}
        await desk.mail(
            "[1]", application_properties=cloud | {"cloudEvents:type": "t"}, content_type="application/json"
        )
        await desk.mail(b"\xff", message_id="bad")
        await desk.mail("lost", session_id="nobody", message_id="whose")
        await desk.announce("{}", subject="nobody.listens", message_id="p2")
        found = await until(lambda: _quarantined(desk, 3))
        assert {(agent, kind) for agent, kind, _ in found} == {
            ("till", "aos.unreadable"),
            ("aos.unrouted", "aos.unreadable"),
            ("aos.unrouted", "nobody.listens"),
        }
        assert all(reason for _, _, reason in found)
        seen = await until(lambda: _all(desk, 3))
        assert sorted(map(str, seen)) == ["[1]", "hello", "{'total': 3}"]
        large = "x" * 400_000
        await desk.aos.process_event(Event(type="t", agent=TILL, data=large), 20)
        assert (await desk.seen())[-1] == large


async def test_the_brokers_dead_letters_come_into_the_quarantine_and_can_be_redriven(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        lost = event_message(Event(type="t", source="/shop", id="7", agent=TILL, data="late"))
        sent = mail_of(lost, time.time())
        receiver = desk.client.get_queue_receiver("aos-mailbox", session_id="elsewhere", socket_timeout=0.01)
        async with receiver:
            await desk.mail(sent.body, session_id="elsewhere", content_type=sent.content_type, message_id="other")
            for message in await receiver.receive_messages(1, 5):
                await receiver.dead_letter_message(message, reason="TooOften", error_description="ten times")
        found = await until(lambda: _quarantined(desk, 1))
        assert [(agent, kind) for agent, kind, _ in found] == [("aos.unrouted", "aos.unreadable")]
        await desk.bus.exhume(_received(sent, dead_letter_reason="TooOften", dead_letter_description="ten times"))
        found = await until(lambda: _quarantined(desk, 2))
        assert ("till", "t", "dead-lettered by aos-mailbox: TooOften: ten times") in found
        assert lost.event is not None
        await desk.aos.quarantine.redrive(TILL, lost.event.key)
        assert await until(desk.seen) == ["late"]


async def test_what_a_trigger_pushes_is_handled_once_or_goes_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        pushed = [_received(mail_of(event_message(Event(type="t", id="1", agent=TILL, data="pushed")), time.time()))]
        for _ in range(2):  # the second time, it was delivered again although it was done
            async with desk.bus.pushed(pushed) as turn:
                assert turn is not None
                await desk.aos.deliver(turn)
        assert await desk.seen() == ["pushed"]
        async with desk.bus.pushed(pushed) as turn:
            assert turn is not None
            with pytest.raises(StoreUnavailable, match="goes back"):
                await desk.bus.release(turn)
        later = mail_of(event_message(Event(type="t", id="2", agent=TILL, due=time.time() + 3600)), time.time())
        async with desk.bus.pushed([_received(later)]) as turn:
            assert turn is None


async def test_a_turn_that_lost_its_lock_makes_no_further_step_and_is_done_once(tmp_path: Path) -> None:
    calls.clear()
    gate.clear()
    async with opened(tmp_path, lock_seconds=2.0) as desk:
        await desk.mail("steps", message_id="s1")
        await until(lambda: _answer(calls))
        desk.clock.ahead_seconds += 60  # the broker's locks run out
        desk.broker.tick()
        assert "lock" in await until(lambda: _answer(desk.bus.lost(TILL)))
        gate.set()
        assert await until(desk.seen) == ["steps"]
        assert calls == [0, 1, 2]


def _received(outgoing: Any, **fields: Any) -> Received:
    return Received(
        body=outgoing.body,
        message_id=outgoing.message_id,
        session_id=outgoing.session_id,
        content_type=outgoing.content_type,
        application_properties=outgoing.application_properties,
        **fields,
    )


async def _answer(value: Any) -> Any:
    return value


async def _all(desk: Desk, count: int) -> list[Any]:
    seen = await desk.seen()
    return seen if len(seen) >= count else []


async def _quarantined(desk: Desk, count: int) -> list[tuple[str, str, str]]:
    found = await desk.quarantined()
    return found if len(found) >= count else []


async def test_a_broker_that_is_not_there_is_said_to_be_out_of_reach() -> None:
    nowhere = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;"
    manager = ServiceBusManager(nowhere, keep_alive_seconds=0, retries=0)
    with pytest.raises(StoreUnavailable, match="aos-mailbox"):
        await manager.send("aos-mailbox", [mail_of(event_message(Event(type="t", agent=TILL)), 0.0)])
    await manager.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await manager.next_session("aos-mailbox", 1.0)


async def test_tables_keep_what_service_bus_carries(tmp_path: Path) -> None:
    table = f"t{uuid4().hex[:20]}"
    azure = {"storage_connection_string": emulator().connection_string, "storage_table": table}
    async with opened(tmp_path, azure) as desk:
        large = "x" * 300_000
        assert await desk.aos.process_event(Event(type="t", agent=TILL, data=large), 20) == 1
        await desk.aos.message_bus.publish("sale.made", 7)
        assert await until(lambda: _all(desk, 2)) == [large, 7]
    assert not (tmp_path / "aos.db").exists()
