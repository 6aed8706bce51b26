"""Values in blobs: what rows point at stays, what they left behind goes, damage is noticed."""

import pytest

from AgentOperatingSystem.errors import StateUnreadable
from AgentOperatingSystem.storage.azure.containers import listed
from AgentOperatingSystem.storage.records import Head, Row
from tests.azure_service import Fault, Service
from tests.contract.samples import COUNTER, Writer, row

LARGE = b"x" * (1 << 20)
DAY = 86_400.0


async def paths(azure: Service) -> list[str]:
    overflow = azure.account.overflow
    return [path async for path, _ in listed(overflow._container, overflow._calls)]


async def test_what_rows_left_behind_is_collected_when_it_is_old_and_nothing_else(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit(head=Head(agent=COUNTER, state=LARGE), rows=(Row("memory", "n", LARGE),))
    await writer.commit(head=Head(agent=COUNTER, state=LARGE + b"2"), rows=(Row("memory", "n", None),))
    assert len(await paths(azure)) == 3
    assert await azure.store.collect(DAY) == 0
    azure.clock.time += DAY + 1
    assert await azure.store.collect(DAY) == 2
    assert await azure.store.collect(DAY) == 0
    found = await azure.store.load(COUNTER)
    assert found is not None
    assert found[0].state == LARGE + b"2"


async def test_a_commit_that_never_came_leaves_nothing_for_good(azure: Service) -> None:
    azure.wire.chooses = lambda kind: Fault.UNSENT if kind == "transaction" else None
    with pytest.raises(Exception, match="no route"):
        await Writer(azure.store).commit(head=Head(agent=COUNTER, state=LARGE))
    azure.wire.spoil()
    assert len(await paths(azure)) == 1
    azure.clock.time += DAY + 1
    assert await azure.store.collect(DAY) == 1


async def test_erasing_an_agent_takes_its_blobs(azure: Service) -> None:
    await Writer(azure.store).commit(head=Head(agent=COUNTER, state=LARGE), inserts=(row("1", data="x" * (1 << 20)),))
    await azure.store.erase(COUNTER)
    assert await paths(azure) == []


async def test_damage_and_loss_are_noticed(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit(rows=(Row("memory", "n", LARGE),))
    (path,) = await paths(azure)
    container = azure.account.overflow._container
    await container.upload_blob(path, b"y" + LARGE[1:], overwrite=True)
    with pytest.raises(StateUnreadable, match="damaged"):
        await azure.store.row(COUNTER, "memory", "n")
    await container.delete_blob(path)
    with pytest.raises(StateUnreadable, match="is gone"):
        await azure.store.row(COUNTER, "memory", "n")
    assert (await azure.store.rows(COUNTER, "other")).items == ()
