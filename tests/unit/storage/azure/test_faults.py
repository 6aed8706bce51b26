"""Commits on bad days: what was carried out counts once, what was not is tried again, and doubt is never an answer."""

import asyncio
import random

import pytest

from AgentOperatingSystem.errors import Conflict, Duplicate, StoreUnavailable
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.records import Head, Row
from tests.azure_service import CARRIED_OUT, RETRY_AFTER_SECONDS, Fault, Service, service
from tests.contract.samples import COUNTER, Writer, change, row

NEVER = tuple(fault for fault in Fault if fault not in CARRIED_OUT)


async def ids(azure: Service, agent: AgentId = COUNTER) -> list[str]:
    return [each.event.id for each in (await azure.store.events(agent, limit=1000)).items]


def another_writer_in_between(azure: Service) -> None:
    """While a writer waits for its second attempt, another host commits."""
    moved: list[bool] = []

    async def sleep(seconds: float) -> None:
        if not moved:
            moved.append(True)
            found = await azure.store.load(COUNTER)
            assert found is not None
            await azure.store.commit(change(version=9, etag=found[1]))

    azure.clock.sleep = sleep  # type: ignore[method-assign]  # the moment between two attempts


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("first", [True, False], ids=["new agent", "known agent"])
async def test_one_fault_changes_nothing(azure: Service, fault: Fault, first: bool) -> None:
    writer = Writer(azure.store)
    if not first:
        await writer.commit(inserts=(row("before"),))
    azure.wire.take()
    azure.wire.spoil(fault)
    await writer.commit(inserts=(row("event"),), head=Head(agent=COUNTER, state=b"1"))
    transactions = azure.wire.take()["transaction"]
    assert transactions == (1 if fault in CARRIED_OUT else 2)  # what was carried out is recognised, not repeated
    assert "event" in await ids(azure)
    await writer.commit(inserts=(row("next"),))  # the ETag that was answered is the right one


async def test_retry_after_is_honoured(azure: Service) -> None:
    azure.wire.spoil(Fault.BUSY, Fault.THROTTLED)
    before = azure.clock.time
    await Writer(azure.store).commit(inserts=(row("event"),))
    assert azure.clock.time - before == 2 * RETRY_AFTER_SECONDS


@pytest.mark.parametrize("fault", NEVER)
async def test_a_service_that_stays_away_is_unavailable_and_nothing_is_written(azure: Service, fault: Fault) -> None:
    azure.wire.chooses = lambda kind: fault if kind == "transaction" else None
    with pytest.raises(StoreUnavailable, match="table"):
        await azure.store.commit(change(inserts=(row("event"),)))
    azure.wire.spoil()
    assert await azure.store.load(COUNTER) is None
    assert (await azure.store.agents("default")).items == ()


@pytest.mark.parametrize("kind", ["read", "write", "blob"])
async def test_reads_and_hints_and_blobs_are_tried_again(azure: Service, kind: str) -> None:
    azure.wire.spoil(Fault.BUSY, Fault.LOST, Fault.UNSENT, kind=kind)
    writer = Writer(azure.store)
    await writer.commit(head=Head(agent=COUNTER, state=b"x" * (1 << 20)), inserts=(row("event"),))
    azure.wire.spoil(Fault.LOST, Fault.TIMED_OUT, kind=kind)
    found = await azure.store.load(COUNTER)
    assert found is not None
    assert len(found[0].state) == 1 << 20
    azure.wire.chooses = lambda of: Fault.UNSENT if of == "read" else None
    with pytest.raises(StoreUnavailable):
        await azure.store.load(COUNTER)


async def test_a_lost_answer_and_another_writer_behind_it_is_a_conflict_that_the_dedupe_mark_resolves(
    azure: Service,
) -> None:
    writer = Writer(azure.store)
    await writer.commit()
    azure.wire.spoil(Fault.LOST)
    another_writer_in_between(azure)
    with pytest.raises(Conflict):
        await writer.commit(inserts=(row("event"),))
    found = await azure.store.load(COUNTER)
    assert found is not None
    with pytest.raises(Duplicate):
        await azure.store.commit(change(version=10, etag=found[1], inserts=(row("event"),)))


async def test_without_a_mark_such_a_doubt_is_said(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit()
    azure.wire.spoil(Fault.LOST)
    another_writer_in_between(azure)
    with pytest.raises(StoreUnavailable, match="cannot be told"):
        await writer.commit(rows=(Row("memory", "n", b"1"),))


async def test_refusals_are_told_apart_on_bad_days_too(azure: Service) -> None:
    writer = Writer(azure.store)
    await writer.commit(inserts=(row("event"),))
    stale = writer.etag
    await writer.commit()
    azure.wire.spoil(Fault.BUSY)
    with pytest.raises(Duplicate):
        await writer.commit(inserts=(row("event"),))
    azure.wire.spoil(Fault.TIMED_OUT)
    with pytest.raises(Conflict):
        await azure.store.commit(change(version=9, etag=stale, inserts=(row("other"),)))


async def test_many_writers_on_a_bad_network_record_each_event_once() -> None:
    """Three hosts, one agent, every sixth request spoiled: the count in the state is the number of events."""
    chance = random.Random(5)
    async with service() as azure, service(azure.account.table.name) as other:
        for each in (azure, other):
            each.wire.chooses = lambda kind: chance.choice(list(Fault)) if chance.random() < 0.15 else None
        events = [f"e{number}" for number in range(12)]
        await asyncio.gather(*(deliver(host, name) for name in events for host in (azure, other)))
        azure.wire.spoil()
        found = await azure.store.load(COUNTER)
        assert found is not None
        assert found[0].state == b"%d" % len(events)
        assert sorted(await ids(azure)) == sorted(events)


async def deliver(host: Service, name: str) -> None:
    """As a kernel does: reads, counts, commits; begins again where somebody else was faster or nothing is known."""
    while True:
        try:
            found = await host.store.load(COUNTER)
            head, etag = found or (Head(agent=COUNTER), "")
            counted = Head(agent=COUNTER, state=b"%d" % (int(head.state or b"0") + 1))
            version = head.version + 1
            await host.store.commit(
                change(version=version, etag=etag, head=counted, inserts=(row(name, version=version),))
            )
        except (Conflict, StoreUnavailable):
            continue
        except Duplicate:
            pass
        return
