"""The embedded bus on its own file: what a restored folder still holds."""

import shutil
from pathlib import Path

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.embedded import SCHEMA, EmbeddedBus
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.sqlite.engine import Engine

EVENT = Event(type="test", id="kept", agent=AgentId("counter"))


async def opened(folder: Path) -> tuple[Engine, EmbeddedBus]:
    engine = Engine(folder / "aos.db", SCHEMA)
    bus = EmbeddedBus(engine, folder, SystemClock(), lambda event: ())
    await bus.open()
    return engine, bus


async def first_turn(bus: EmbeddedBus) -> Turn:
    async for turn in bus.turns():
        return turn
    raise AssertionError("the bus closed")


async def test_messages_are_found_in_a_folder_restored_without_its_hosts(tmp_path: Path) -> None:
    original, restored = tmp_path / "original", tmp_path / "restored"
    for folder in (original, restored):
        folder.mkdir()
    engine, bus = await opened(original)
    await bus.send([event_message(EVENT)])
    await bus.close()
    await engine.close()
    shutil.copy(original / "aos.db", restored / "aos.db")

    engine, bus = await opened(restored)
    assert bus.pending() == 1
    turn = await first_turn(bus)
    assert [message.event and message.event.id for message in turn.messages] == ["kept"]
    await bus.settle(turn)
    await bus.close()
    await engine.close()


async def test_messages_of_a_living_host_are_left_to_it(tmp_path: Path) -> None:
    engine, bus = await opened(tmp_path)
    await bus.send([event_message(EVENT)])
    other_engine, other = await opened(tmp_path)
    assert other.pending() == 0
    for each, file in ((other, other_engine), (bus, engine)):
        await each.close()
        await file.close()
