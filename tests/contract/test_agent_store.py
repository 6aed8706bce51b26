"""What every `AgentStore` promises: the fence, the dedupe marks, all or nothing, and lists that can be paged."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import product
from typing import Any, TypeVar

import msgspec
import pytest

from AgentOperatingSystem.errors import Conflict, Duplicate, InvalidInput
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Change, Control, EventRow, Head, Page, Row, Status
from tests.contract.samples import COUNTER, ODD_TEXTS, Writer, change, event, message, parked, row

OTHER = AgentId("other")
T = TypeVar("T")


async def everything(store: AgentStore, agent: AgentId = COUNTER) -> tuple[object, ...]:
    """All that a store tells of one agent, to see that nothing of it moved."""
    return (
        await store.load(agent),
        (await store.events(agent, limit=1000)).items,
        await store.parked(agent, math.inf, 1000),
        (await store.rows(agent, "memory", limit=1000)).items,
    )


async def all_pages(read: Callable[[str], Awaitable[Page[T]]]) -> list[T]:
    """The items of all pages, each read from the end of the one before."""
    items: list[T] = []
    after = ""
    while True:
        page = await read(after)
        items += page.items
        after = page.after
        if not after:
            return items


def names_of(rows: tuple[Row, ...] | list[Row]) -> list[str]:
    return [each.name for each in rows]


def ids_of(rows: tuple[EventRow, ...] | list[EventRow]) -> list[str]:
    return [each.event.id for each in rows]


# --- the head ---------------------------------------------------------------------------------------------------------


async def test_an_agent_that_was_never_committed_is_not_there(store: AgentStore) -> None:
    assert await everything(store) == (None, (), (), ())
    assert await store.event(COUNTER, "0" * 32) is None
    assert await store.row(COUNTER, "memory", "x") is None


async def test_a_head_comes_back_as_it_was_committed(store: AgentStore) -> None:
    head = Head(
        agent=COUNTER,
        version=1,
        control=Control.PAUSED,
        reason="dînner — 夕食 🙂",
        schema=7,
        state=b'{"n":1}',
        state_blob="",
        next_order=12,
        backlog=3,
        backoff_until=1_700_000_000.25,
        outages=2,
        next_tick=1_700_000_100.5,
        handled=40,
        created_at=1.5,
        updated_at=2.5,
    )
    committed = await store.commit(Change(head=head, etag=""))
    assert await store.load(COUNTER) == (head, committed.etag)


@pytest.mark.parametrize("state", [b"", b"{}", random.Random(1).randbytes(1 << 20)], ids=["none", "small", "1 MiB"])
async def test_a_state_comes_back_byte_for_byte(store: AgentStore, state: bytes) -> None:
    await store.commit(change(head=Head(agent=COUNTER, state=state)))
    found = await store.load(COUNTER)
    assert found is not None
    assert found[0].state == state


async def test_the_newest_state_is_what_is_loaded(store: AgentStore) -> None:
    writer = Writer(store)
    for number in range(5):
        await writer.commit(head=Head(agent=COUNTER, state=b"%d" % number))
    found = await store.load(COUNTER)
    assert found is not None
    assert (found[0].state, found[0].version, found[1]) == (b"4", 5, writer.etag)


async def test_every_commit_gives_an_etag_of_its_own(store: AgentStore) -> None:
    writer = Writer(store)
    etags = {(await writer.commit()).etag for _ in range(20)}
    assert len(etags) == 20
    assert "" not in etags


# --- the fence --------------------------------------------------------------------------------------------------------


async def full_agent(store: AgentStore) -> Writer:
    """An agent with one of everything."""
    writer = Writer(store)
    await writer.commit(
        head=Head(agent=COUNTER, state=b"1"),
        inserts=(row("done"), parked("parked", 1)),
        rows=(Row("memory", "color", b'"red"'),),
    )
    return writer


ANYTHING: dict[str, Any] = {
    "inserts": (row("new"),),
    "updates": (row("parked", status=Status.DONE),),
    "deletes": (row("done").key,),
    "rows": (Row("memory", "color", None), Row("memory", "shape", b'"round"')),
}


@pytest.mark.parametrize("stale", ["", "0", "999", "no such etag", "1 ", "'"])
async def test_a_change_on_a_stale_etag_is_refused_and_leaves_nothing(store: AgentStore, stale: str) -> None:
    writer = await full_agent(store)
    before = await everything(store)
    with pytest.raises(Conflict, match="counter"):
        await store.commit(change(version=writer.version + 1, etag=stale, **ANYTHING))
    assert await everything(store) == before


async def test_an_etag_fits_once(store: AgentStore) -> None:
    writer = await full_agent(store)
    first = writer.etag
    await writer.commit()
    before = await everything(store)
    with pytest.raises(Conflict):
        await store.commit(change(version=2, etag=first, **ANYTHING))
    assert await everything(store) == before


async def test_of_two_first_commits_one_is_refused(store: AgentStore) -> None:
    await store.commit(change(head=Head(agent=COUNTER, state=b"first")))
    with pytest.raises(Conflict):
        await store.commit(change(head=Head(agent=COUNTER, state=b"second")))
    found = await store.load(COUNTER)
    assert found is not None
    assert found[0].state == b"first"


async def test_an_etag_of_one_agent_opens_no_other(store: AgentStore) -> None:
    writer = await full_agent(store)
    with pytest.raises(Conflict):
        await store.commit(change(OTHER, 2, etag=writer.etag))
    assert await store.load(OTHER) is None


# --- the dedupe marks -------------------------------------------------------------------------------------------------


async def test_a_recorded_event_is_refused_and_the_change_leaves_nothing(store: AgentStore) -> None:
    writer = await full_agent(store)
    before = await everything(store)
    again = {**ANYTHING, "inserts": (row("new"), row("done", data="another"), parked("parked", 9), row("newer"))}
    with pytest.raises(Duplicate) as refused:
        await writer.commit(**again)
    assert sorted(refused.value.keys) == sorted([row("done").key, row("parked").key])
    assert await everything(store) == before


async def test_the_fence_is_checked_before_the_dedupe_marks(store: AgentStore) -> None:
    writer = await full_agent(store)
    with pytest.raises(Conflict):
        await store.commit(change(version=writer.version, etag="stale", inserts=(row("done"),)))


async def test_after_a_refusal_the_same_etag_still_fits(store: AgentStore) -> None:
    writer = await full_agent(store)
    with pytest.raises(Duplicate):
        await writer.commit(inserts=(row("done"),))
    await writer.commit(inserts=(row("new"),))
    assert sorted(ids_of((await store.events(COUNTER)).items)) == ["done", "new", "parked"]


async def test_the_same_id_for_two_agents_is_two_events(store: AgentStore) -> None:
    await Writer(store).commit(inserts=(row("1", data="mine"),))
    await Writer(store, OTHER).commit(inserts=(row("1", OTHER, data="yours"),))
    mine, yours = await store.event(COUNTER, row("1").key), await store.event(OTHER, row("1").key)
    assert mine is not None
    assert yours is not None
    assert (mine.event.data, yours.event.data) == ("mine", "yours")


async def test_a_row_that_moves_must_be_there(store: AgentStore) -> None:
    writer = await full_agent(store)
    before = await everything(store)
    with pytest.raises(Conflict, match="gone"):
        await writer.commit(updates=(row("parked", status=Status.DONE), row("never")), rows=ANYTHING["rows"])
    assert await everything(store) == before


# --- events -----------------------------------------------------------------------------------------------------------


async def test_a_row_comes_back_as_it_was_committed(store: AgentStore) -> None:
    happened = event("1", data={"a": [1, None, "ü"]}, subject="s", conversation="c", priority=3, hops=2, due=5.5)
    full = EventRow(
        key=happened.key,
        event=happened,
        fingerprint="f" * 32,
        status=Status.QUARANTINED,
        order=-1000,
        blocking=True,
        due=7.25,
        attempts=4,
        reason="it — did 🙂 not work",
        result={"n": 1},
        version=1,
        accepted_at=1.5,
        finished_at=2.5,
    )
    await store.commit(change(inserts=(full,)))
    assert await store.event(COUNTER, full.key) == full
    assert (await store.events(COUNTER)).items == (full,)


async def test_outputs_are_kept_unless_the_store_relayed_them(store: AgentStore) -> None:
    outputs = (message("out-1", OTHER), message("out-2", OTHER))
    committed = await Writer(store).commit(inserts=(row("1", outputs=outputs),))
    found = await store.event(COUNTER, row("1").key)
    assert found is not None
    assert found.outputs == (() if committed.relayed else outputs)


async def test_what_is_read_is_not_what_is_kept(store: AgentStore) -> None:
    data = {"list": [1]}
    await Writer(store).commit(inserts=(row("1", data=data),))
    data["list"].append(2)
    found = await store.event(COUNTER, row("1").key)
    assert found is not None
    found.event.data["list"].append(3)
    again = await store.event(COUNTER, row("1").key)
    assert again is not None
    assert again.event.data == {"list": [1]}


async def test_events_come_in_the_order_of_their_last_change(store: AgentStore) -> None:
    writer = Writer(store)
    for name in "abcde":
        await writer.commit(inserts=(parked(name, 1),))
    await writer.commit(updates=(row("b"),))
    await writer.commit(updates=(row("a", status=Status.FAILED),))
    assert ids_of((await store.events(COUNTER)).items) == ["c", "d", "e", "b", "a"]


async def test_versions_are_ordered_as_numbers(store: AgentStore) -> None:
    writer = Writer(store)
    for number in range(12):
        await writer.commit(inserts=(row(f"{number}"),))
    listed = await all_pages(lambda after: store.events(COUNTER, after=after, limit=5))
    assert ids_of(listed) == [f"{number}" for number in range(12)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_events_miss_none_and_repeat_none(store: AgentStore, limit: int) -> None:
    writer = Writer(store)
    await writer.commit(inserts=tuple(row(name) for name in "abc"))
    await writer.commit(inserts=tuple(row(name, status=Status.FAILED) for name in "defg"))
    listed = await all_pages(lambda after: store.events(COUNTER, after=after, limit=limit))
    assert sorted(ids_of(listed)) == list("abcdefg")
    assert [each.version for each in listed] == [1] * 3 + [2] * 4
    failed = await all_pages(lambda after: store.events(COUNTER, Status.FAILED, after=after, limit=limit))
    assert failed == listed[3:]


async def test_a_page_that_is_just_full_ends_the_list(store: AgentStore) -> None:
    await Writer(store).commit(inserts=(row("a"), row("b")))
    assert (await store.events(COUNTER, limit=2)).after == ""
    assert (await store.events(COUNTER, limit=1)).after != ""


async def test_events_of_one_status(store: AgentStore) -> None:
    await Writer(store).commit(inserts=tuple(row(status, status=Status(status)) for status in Status))
    for status in Status:
        assert ids_of((await store.events(COUNTER, status)).items) == [status]


async def test_a_deleted_row_is_gone_and_its_event_may_come_again(store: AgentStore) -> None:
    writer = await full_agent(store)
    await writer.commit(deletes=(row("done").key, row("never").key))
    assert await store.event(COUNTER, row("done").key) is None
    await writer.commit(inserts=(row("done"),))
    assert ids_of((await store.events(COUNTER)).items) == ["parked", "done"]


# --- the mailbox ------------------------------------------------------------------------------------------------------


async def test_parked_events_come_by_order_then_by_key(store: AgentStore) -> None:
    same = sorted((parked("x", 5), parked("y", 5), parked("z", 5)), key=lambda each: each.key)
    await Writer(store).commit(inserts=(parked("last", 6), *reversed(same), parked("first", -1000), row("done")))
    found = await store.parked(COUNTER, math.inf, 100)
    assert ids_of(found) == ["first", *ids_of(same), "last"]
    assert ids_of(await store.parked(COUNTER, math.inf, 2)) == ["first", same[0].event.id]


async def test_parked_events_come_when_they_are_due_and_not_before(store: AgentStore) -> None:
    due = 1_767_225_600.123456
    await Writer(store).commit(inserts=(parked("late", 1, due=due), parked("now", 2), parked("later", 3, due=due + 1)))
    assert ids_of(await store.parked(COUNTER, math.nextafter(due, 0), 100)) == ["now"]
    assert ids_of(await store.parked(COUNTER, due, 100)) == ["late", "now"]
    assert ids_of(await store.parked(COUNTER, math.inf, 100)) == ["late", "now", "later"]


async def test_an_event_that_moves_on_leaves_the_mailbox(store: AgentStore) -> None:
    writer = Writer(store)
    await writer.commit(inserts=(parked("a", 1), parked("b", 2), row("q", status=Status.QUARANTINED, order=3)))
    await writer.commit(updates=(row("a"), parked("b", 9, due=50.0), parked("q", 3)))
    assert ids_of(await store.parked(COUNTER, 49.0, 100)) == ["q"]
    assert ids_of(await store.parked(COUNTER, 50.0, 100)) == ["q", "b"]


async def test_mailboxes_are_apart(store: AgentStore) -> None:
    await Writer(store).commit(inserts=(parked("mine", 1),))
    await Writer(store, OTHER).commit(inserts=(parked("yours", 1, OTHER),))
    assert ids_of(await store.parked(COUNTER, math.inf, 100)) == ["mine"]


# --- find over all agents ---------------------------------------------------------------------------------------------

TENANTS = ("default", "default2", "defaul", "default.x", "default-x", "Default", "z")


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
async def test_open_events_are_found_over_all_agents_of_a_tenant_and_no_other(store: AgentStore, limit: int) -> None:
    expected: dict[str, list[tuple[AgentId, str]]] = {tenant: [] for tenant in TENANTS}
    for tenant in TENANTS:
        for key in ("", "a:b", "a|b/c", "🙂"):
            agent = AgentId("keeper", key, tenant)
            bad = tuple(row(name, agent, status=Status.QUARANTINED) for name in ("q1", "q2"))
            await Writer(store, agent).commit(inserts=(*bad, row("done", agent), parked("p", 1, agent)))
            expected[tenant] += [(agent, "q1"), (agent, "q2")]

    def read(tenant: str) -> Callable[[str], Awaitable[Page[EventRow]]]:
        return lambda after: store.find(tenant, Status.QUARANTINED, after, limit)

    for tenant in TENANTS:
        found = await all_pages(read(tenant))
        assert sorted((each.event.agent, each.event.id) for each in found if each.event.agent) == sorted(
            expected[tenant]
        )
    assert len((await store.find("z", Status.PARKED)).items) == 4
    assert (await store.find("nobody", Status.QUARANTINED)).items == ()


# --- small rows -------------------------------------------------------------------------------------------------------


async def test_a_small_row_is_written_over_and_removed(store: AgentStore) -> None:
    writer = Writer(store)
    await writer.commit(rows=(Row("memory", "n", b"1"), Row("timer", "n", b"2")))
    await writer.commit(rows=(Row("memory", "n", b"3"),))
    assert await store.row(COUNTER, "memory", "n") == b"3"
    assert await store.row(COUNTER, "timer", "n") == b"2"
    await writer.commit(rows=(Row("memory", "n", None), Row("memory", "never", None)))
    assert await store.row(COUNTER, "memory", "n") is None
    assert await store.row(COUNTER, "timer", "n") == b"2"


@pytest.mark.parametrize("value", [b"", b"\x00\xff", b'{"a":1}', b"x" * 100_000], ids=["none", "odd", "json", "long"])
async def test_a_small_row_comes_back_byte_for_byte(store: AgentStore, value: bytes) -> None:
    await Writer(store).commit(rows=(Row("memory", "n", value),))
    assert await store.row(COUNTER, "memory", "n") == value
    assert (await store.rows(COUNTER, "memory")).items == (Row("memory", "n", value),)


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_names_may_hold_any_character(store: AgentStore, limit: int) -> None:
    await Writer(store).remember(*ODD_TEXTS)
    listed = await all_pages(lambda after: store.rows(COUNTER, "memory", after=after, limit=limit))
    assert listed == [Row("memory", name, name.encode()) for name in sorted(ODD_TEXTS)]
    for name in ODD_TEXTS:
        assert await store.row(COUNTER, "memory", name) == name.encode()


@pytest.mark.parametrize("prefix", ["", "a", *ODD_TEXTS], ids=ascii)
async def test_a_prefix_is_taken_as_it_is(store: AgentStore, prefix: str) -> None:
    names = {"a", "A", "ab", "b", "%", "aa%", *ODD_TEXTS, *(text[:500] + "/rest" for text in ODD_TEXTS)}
    await Writer(store).remember(*names)
    listed = await all_pages(lambda after: store.rows(COUNTER, "memory", prefix, after, 4))
    assert names_of(listed) == sorted(name for name in names if name.startswith(prefix))


async def test_a_page_may_begin_between_two_names(store: AgentStore) -> None:
    await Writer(store).remember("a", "c", "e")
    for after, rest in [("b", ["c", "e"]), ("c", ["e"]), ("\U0010ffff", []), ("%", ["a", "c", "e"]), ("d'", ["e"])]:
        assert names_of((await store.rows(COUNTER, "memory", after=after)).items) == rest
    assert names_of((await store.rows(COUNTER, "memory", "c", after="a")).items) == ["c"]


async def test_rows_of_other_kinds_and_agents_are_not_listed(store: AgentStore) -> None:
    await Writer(store).remember("mine")
    await Writer(store, OTHER).remember("yours")
    assert (await store.rows(COUNTER, "timer")).items == ()
    assert names_of((await store.rows(OTHER, "memory")).items) == ["yours"]


# --- agents -----------------------------------------------------------------------------------------------------------

AGENTS = (
    AgentId("repo"),
    AgentId("repo", "octo-org/octo-repo"),
    AgentId("repo", "octo-org/octo-repo2"),
    AgentId("repo", "100%_"),
    AgentId("repo", "100x_"),
    AgentId("repo", "🙂"),
    AgentId("repo", "\U0010ffff\U0010ffff"),
    AgentId("repo.x"),
    AgentId("repository"),
    AgentId("org", "octo-org"),
    AgentId("repo", "octo-org/octo-repo", "other"),
    AgentId("repo", "x", "default2"),
)


async def made(store: AgentStore) -> None:
    heads = [Head(agent=agent, state=b"{}", state_blob="b" * 64, handled=3) for agent in AGENTS]
    await asyncio.gather(*(Writer(store, head.agent).commit(head=head) for head in heads))


def addresses(heads: list[Head]) -> list[AgentId]:
    return [head.agent for head in heads]


PREFIXES = ("", "repo", "repo/", "repo/octo-org/octo-repo", "repo/100%", "repo/🙂", "REPO", "|")


@pytest.mark.parametrize("limit", [1, 4, 100])
async def test_agents_are_listed_by_address(store: AgentStore, limit: int) -> None:
    await made(store)
    for tenant, prefix in product(("default", "other", "default2", "nobody", ""), PREFIXES):
        listed = await all_pages(partial(store.agents, tenant, prefix, limit=limit))
        assert addresses(listed) == sorted(
            (a for a in AGENTS if tenant in ("", a.tenant) and f"{a.name}/{a.key}".startswith(prefix)),
            key=lambda agent: agent.partition,
        ), (tenant, prefix)


async def test_agents_are_listed_with_all_but_their_state(store: AgentStore) -> None:
    await made(store)
    page = await store.agents("other")
    agent = AGENTS[-2]
    assert page.items == (Head(agent=agent, version=1, state_blob="b" * 64, handled=3),)


# --- cursors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [*ODD_TEXTS, "9:", ":x", "1:2:3", "-1:a", "1e9:x", "9" * 30 + ":a"], ids=ascii)
async def test_a_cursor_that_no_page_gave_is_refused_or_leads_somewhere(store: AgentStore, after: str) -> None:
    await full_agent(store)
    reads: list[Callable[[], Awaitable[object]]] = [
        lambda: store.events(COUNTER, after=after),
        lambda: store.find("default", Status.PARKED, after),
        lambda: store.rows(COUNTER, "memory", after=after),
        lambda: store.agents("default", after=after),
    ]
    for read in reads:
        try:
            assert isinstance(await read(), Page)
        except InvalidInput as error:
            assert "cursor" in str(error)  # noqa: PT017  # both outcomes are right


# --- erase ------------------------------------------------------------------------------------------------------------


async def test_erasing_removes_everything_of_one_agent(store: AgentStore) -> None:
    await full_agent(store)
    await Writer(store, OTHER).commit(inserts=(row("1", OTHER),))
    untouched = await everything(store, OTHER)
    await store.erase(COUNTER)
    assert await everything(store) == (None, (), (), ())
    assert await store.event(COUNTER, row("done").key) is None
    assert (await store.find("default", Status.PARKED)).items == ()
    assert addresses(list((await store.agents("")).items)) == [OTHER]
    assert await everything(store, OTHER) == untouched


async def test_erasing_twice_is_the_same_as_once(store: AgentStore) -> None:
    await full_agent(store)
    await store.erase(COUNTER)
    await store.erase(COUNTER)
    await store.erase(OTHER)
    await full_agent(store)
    assert len((await store.events(COUNTER)).items) == 2


# --- many at once -----------------------------------------------------------------------------------------------------


async def test_many_writers_count_exactly(store: AgentStore, crowd: int) -> None:
    async def add_one() -> None:
        while True:
            found = await store.load(COUNTER)
            head, etag = found or (Head(agent=COUNTER), "")
            try:
                count = int(head.state or b"0") + 1
                await store.commit(
                    change(version=head.version + 1, etag=etag, head=Head(agent=COUNTER, state=b"%d" % count))
                )
            except Conflict:
                continue
            return

    await asyncio.gather(*(add_one() for _ in range(crowd)))
    found = await store.load(COUNTER)
    assert found is not None
    assert (found[0].state, found[0].version) == (b"%d" % crowd, crowd)


async def test_of_many_that_record_one_event_one_wins(store: AgentStore) -> None:
    async def record(number: int) -> bool:
        while True:
            found = await store.load(COUNTER)
            version, etag = (found[0].version, found[1]) if found else (0, "")
            try:
                await store.commit(change(version=version + 1, etag=etag, inserts=(row("same"), row(f"{number}"))))
            except Conflict:
                continue
            except Duplicate:
                return False
            return True

    won = await asyncio.gather(*(record(number) for number in range(20)))
    assert won.count(True) == 1
    assert ids_of((await store.events(COUNTER)).items) in (
        ["same", f"{won.index(True)}"],
        [f"{won.index(True)}", "same"],
    )


async def test_who_is_refused_hurts_nobody_beside_him(store: AgentStore) -> None:
    full = await full_agent(store)
    writers = [Writer(store, AgentId("many", f"{number}")) for number in range(30)]
    outcomes = await asyncio.gather(
        *(writer.commit(inserts=(row("1", writer.agent),)) for writer in writers[:15]),
        store.commit(change(etag="stale", version=9)),
        store.commit(change(etag=full.etag, version=2, inserts=(row("done"),))),
        store.commit(change(etag=full.etag, version=2, updates=(row("never"),))),
        *(writer.commit(inserts=(row("1", writer.agent),)) for writer in writers[15:]),
        return_exceptions=True,
    )
    assert [type(each) for each in outcomes[15:18]] == [Conflict, Duplicate, Conflict]
    assert len((await store.agents("default", "many/")).items) == 30
    assert (await store.load(COUNTER) or (Head(agent=COUNTER), ""))[0].version == 1


async def test_a_text_that_cannot_be_stored_hurts_nobody_beside_it(store: AgentStore) -> None:
    writers = [Writer(store, AgentId("many", f"{number}")) for number in range(20)]
    broken = change(rows=(Row("memory", "\ud800", b"1"),))
    outcomes = await asyncio.gather(
        *(writer.commit() for writer in writers[:10]),
        store.commit(broken),
        *(writer.commit() for writer in writers[10:]),
        return_exceptions=True,
    )
    del outcomes[10]  # some stores can keep it; that is theirs to say
    assert [each for each in outcomes if isinstance(each, BaseException)] == []
    assert len((await store.agents("default", "many/")).items) == 20


async def test_a_change_keeps_its_place_when_its_caller_goes_away(store: AgentStore) -> None:
    """A caller that is cancelled learns nothing, but what it wrote is whole or not there."""
    going = asyncio.ensure_future(store.commit(change(inserts=(row("1"),), rows=(Row("memory", "n", b"1"),))))
    await asyncio.sleep(0)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    await Writer(store, OTHER).commit()  # stores that write in order have written by then
    loaded, events, _, rows = await everything(store)
    assert (loaded is None, events == (), rows == ()) in ((True, True, True), (False, False, False))


async def test_frozen_records_are_what_is_given_out(store: AgentStore) -> None:
    await full_agent(store)
    found = await store.load(COUNTER)
    assert found is not None
    with pytest.raises(AttributeError, match="immutable"):
        found[0].version = 9  # type: ignore[misc]  # that is the point
    assert msgspec.structs.asdict(found[0])["version"] == 1
