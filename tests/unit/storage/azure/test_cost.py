"""What an event costs, counted on the wire. These figures stand in docs/azure-storage.md."""

import math

import pytest

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.storage.records import Head, Row, Status
from tests.azure_service import Fault, Service, service
from tests.contract.samples import COUNTER, Writer, parked, row

WARM = {"transaction": 1}


async def awake(azure: Service) -> Writer:
    """An agent that has handled its first event."""
    writer = Writer(azure.store)
    await writer.commit(inserts=(row("first"),))
    azure.wire.take()
    return writer


async def test_the_first_event_of_an_agent_also_lists_it(azure: Service) -> None:
    await Writer(azure.store).commit(inserts=(row("first"),))
    assert azure.wire.take() == {"write": 1, "transaction": 1}


async def test_a_warm_event_is_one_transaction_and_no_read(azure: Service) -> None:
    writer = await awake(azure)
    for number in range(5):
        head = Head(agent=COUNTER, state=b"x" * 60_000)
        rows = (Row("memory", "a", b"1"), Row("memory", f"{number}", b"2"))
        await writer.commit(head=head, inserts=(row(f"{number}", data="y" * 20_000),), rows=rows)
        assert azure.wire.take() == WARM


async def test_a_cold_event_is_one_read_more(azure: Service) -> None:
    await awake(azure)
    found = await azure.store.load(COUNTER)
    assert found is not None
    writer = Writer(azure.store)
    writer.version, writer.etag = found[0].version, found[1]
    await writer.commit(inserts=(row("cold"),))
    assert azure.wire.take() == {"read": 1} | WARM


async def test_sixty_four_events_in_one_turn_are_one_transaction(azure: Service) -> None:
    writer = await awake(azure)
    await writer.commit(inserts=tuple(row(f"{number}") for number in range(64)))
    assert azure.wire.take() == WARM


async def test_an_agent_that_parks_is_listed_once_and_not_again_even_by_another_host(azure: Service) -> None:
    writer = await awake(azure)
    await writer.commit(inserts=(parked("a", 1),))
    assert azure.wire.take() == {"write": 1} | WARM
    await writer.commit(inserts=(parked("b", 2),), updates=(row("a"),))
    assert azure.wire.take() == WARM
    async with service(azure.account.table.name) as other:
        found = await other.store.load(COUNTER)
        assert found is not None
        host = Writer(other.store)
        host.version, host.etag = found[0].version, found[1]
        await host.commit(inserts=(parked("c", 3),))
        assert other.wire.take() == {"read": 1} | WARM


async def test_an_open_status_is_listed_by_its_value(azure: Service) -> None:
    writer = await awake(azure)
    await writer.commit(inserts=(row("q", status=Status.QUARANTINED),))
    await writer.commit(inserts=(row("failed", status=Status.FAILED), row("cancelled", status=Status.CANCELLED)))
    assert azure.wire.take() == {"write": 1, "transaction": 2}


async def test_a_drained_mailbox_is_swept_by_the_next_look(azure: Service) -> None:
    """Hints of events that moved on are removed once; afterwards a look at the mailbox finds nothing to read."""
    writer = await awake(azure)
    await writer.commit(inserts=(parked("a", 1), parked("b", 2)))
    azure.wire.take()
    assert len(await azure.store.parked(COUNTER, math.inf, 64)) == 2
    assert azure.wire.take() == {"read": 3}
    await writer.commit(updates=(row("a"), row("b")))
    azure.wire.take()
    assert await azure.store.parked(COUNTER, math.inf, 64) == ()
    assert azure.wire.take() == {"read": 3, "transaction": 1}
    assert await azure.store.parked(COUNTER, math.inf, 64) == ()
    assert azure.wire.take() == {"read": 1}


async def test_a_history_is_swept_of_what_moved_on(azure: Service) -> None:
    writer = await awake(azure)
    await writer.commit(inserts=(parked("a", 1), parked("b", 2)))
    await writer.commit(updates=(row("a"),))
    await writer.commit(deletes=(row("first").key, row("b").key))
    for _ in range(2):
        assert [each.event.id for each in (await azure.store.events(COUNTER)).items] == ["a"]
    azure.wire.take()
    assert [each.event.id for each in (await azure.store.events(COUNTER)).items] == ["a"]
    assert azure.wire.take() == {"read": 2}  # the list, and the one row


async def test_hints_of_a_commit_that_never_came_go_after_a_day(azure: Service) -> None:
    writer = await awake(azure)
    azure.wire.chooses = lambda kind: Fault.UNSENT if kind == "transaction" else None
    with pytest.raises(StoreUnavailable):
        await writer.commit(inserts=tuple(parked(f"{number}", number) for number in range(98)))
    azure.wire.spoil()

    async def hints_read() -> int:
        assert [each.event.id for each in (await azure.store.events(COUNTER)).items] == ["first"]
        azure.wire.take()
        await azure.store.events(COUNTER)
        return azure.wire.take()["read"]

    assert await hints_read() == 100  # young: the commit may still be under way
    azure.clock.time += 86_401
    assert await hints_read() == 2


async def test_a_claimed_event_leaves_no_hint_behind_when_its_own_host_ends_it(azure: Service) -> None:
    """As a turn with steps commits: the event in hand, a step, then the end."""
    writer = await awake(azure)
    await writer.commit(inserts=(parked("a", 1),))
    await writer.commit(rows=(Row("step", "a/1", b"1"),))
    await writer.commit(updates=(row("a"),), rows=(Row("step", "a/1", None),))
    assert azure.wire.take() == {"write": 1, "transaction": 3}
    assert await azure.store.parked(COUNTER, math.inf, 64) == ()
    assert azure.wire.take() == {"read": 1}
    assert len((await azure.store.events(COUNTER)).items) == 2
    assert azure.wire.take() == {"read": 3}  # the list, and two rows


async def test_a_hint_that_a_reader_swept_first_is_missed_by_nobody(azure: Service) -> None:
    writer = await awake(azure)
    await writer.commit(inserts=(parked("a", 1),))
    async with service(azure.account.table.name) as other:
        found = await other.store.load(COUNTER)
        assert found is not None
        host = Writer(other.store)
        host.version, host.etag = found[0].version, found[1]
        await host.commit(updates=(parked("a", 2),))
        assert len(await other.store.parked(COUNTER, math.inf, 64)) == 1
        await host.commit(updates=(parked("a", 3),))
        writer.version, writer.etag = host.version, host.etag
    await writer.commit(updates=(row("a"),))
    assert await azure.store.parked(COUNTER, math.inf, 64) == ()
    assert [each.event.id for each in (await azure.store.events(COUNTER)).items] == ["first", "a"]
