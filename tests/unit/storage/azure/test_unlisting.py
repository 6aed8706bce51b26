"""Lists of open events forget agents that have none, and never one that has."""

import pytest

from AgentOperatingSystem.errors import Conflict, StoreUnavailable
from AgentOperatingSystem.storage.azure import keys
from AgentOperatingSystem.storage.azure.table import Range
from AgentOperatingSystem.storage.records import Head, Status
from tests.azure_service import Fault, Service
from tests.contract.samples import COUNTER, Writer, row

DAY = 86_400.0


async def listed(azure: Service) -> int:
    scope = Range(keys.open_partition("default", "waiting"), "", keys.BEYOND)
    return sum([len(page) async for page in azure.account.table.pages(scope)])


async def waited(azure: Service) -> Writer:
    """An agent whose event has waited and is done."""
    writer = Writer(azure.store)
    await writer.commit(inserts=(row("1", status=Status.WAITING),))
    await writer.commit(updates=(row("1"),), head=Head(agent=COUNTER, state=b"kept", updated_at=azure.clock.now()))
    return writer


async def found(azure: Service) -> list[str]:
    return [each.event.id for each in (await azure.store.find("default", Status.WAITING)).items]


async def test_an_agent_that_rests_is_forgotten_and_comes_back(azure: Service) -> None:
    await waited(azure)
    assert await found(azure) == []
    assert await listed(azure) == 1  # it may be about to wait again
    azure.clock.time += DAY + 1
    assert await found(azure) == []
    assert await listed(azure) == 0
    stored = await azure.store.load(COUNTER)
    assert stored is not None
    assert stored[0].state == b"kept"
    writer = Writer(azure.store)
    writer.version, writer.etag = 2, stored[1]
    await writer.commit(inserts=(row("2", status=Status.WAITING),))
    assert await found(azure) == ["2"]


async def test_a_host_that_thinks_itself_listed_has_to_look_again(azure: Service) -> None:
    writer = await waited(azure)
    azure.clock.time += DAY + 1
    await found(azure)
    with pytest.raises(Conflict):
        await writer.commit(inserts=(row("2", status=Status.WAITING),))
    stored = await azure.store.load(COUNTER)
    assert stored is not None
    writer.etag = stored[1]
    await writer.commit(inserts=(row("2", status=Status.WAITING),))
    assert await found(azure) == ["2"]


async def test_an_agent_that_still_has_one_stays(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit(inserts=(row("1", status=Status.WAITING),))
    azure.clock.time += 10 * DAY
    assert await found(azure) == ["1"]
    assert await listed(azure) == 1


async def test_an_entry_of_an_agent_that_never_came_goes_and_trouble_is_left_for_later(azure: Service) -> None:
    await waited(azure)
    azure.clock.time += DAY + 1
    azure.wire.chooses = lambda kind: Fault.BUSY if kind == "transaction" else None
    assert await found(azure) == []
    assert await listed(azure) == 1
    azure.wire.spoil()
    await azure.account.table.delete_all(
        [each async for page in azure.account.table.pages(Range("default|counter=2F", " ", "~~")) for each in page],
        conditional=False,
    )
    assert await found(azure) == []
    assert await listed(azure) == 0


async def test_an_agent_whose_first_commit_is_under_way_stays_listed(azure: Service) -> None:
    """The entry is written before the commit, so for a moment there is an entry and no agent."""
    azure.wire.chooses = lambda kind: Fault.UNSENT if kind == "transaction" else None
    with pytest.raises(StoreUnavailable):
        await Writer(azure.store).commit(inserts=(row("1", status=Status.WAITING),))
    azure.wire.spoil()
    assert await found(azure) == []
    assert await listed(azure) == 1
    azure.clock.time += DAY + 1
    assert await found(azure) == []
    assert await listed(azure) == 0
