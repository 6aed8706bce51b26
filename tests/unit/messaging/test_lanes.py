"""Whose turn it is: a flood of events that others have caused lets everybody else between."""

import asyncio
import sys

import pytest

from AgentOperatingSystem.events import Event, Message, doorbell, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.lanes import (
    ABOUT_SECONDS,
    WRITES_ALONE_MAX,
    WRITES_BESIDE_OTHERS_MAX,
    Lanes,
)
from AgentOperatingSystem.messaging.mailboxes import Mailboxes


def message(agent: str, hops: int = 0) -> Message:
    return event_message(Event(id="1", source="/test", type="test", agent=AgentId.parse(agent), hops=hops))


class Host:
    """Lanes, with what they look at: the store's writes and a clock."""

    def __init__(self, *names: str, writes: int = 0, turns: int = sys.maxsize) -> None:
        self.writes = writes
        self.now = 0.0
        self.lanes = Lanes(lambda: self.writes, lambda: self.now, turns)
        self.add(*names)

    def add(self, *names: str) -> None:
        """Agents in this order; those in capitals were woken by what others have caused."""
        for name in names:
            self.lanes.add(AgentId.parse(name.lower()), message(name.lower(), hops=int(name.isupper())))

    def take(self, count: int = 1) -> str:
        """Who gets the next turns; a dash where nobody may have one."""
        return "".join(str(self.lanes.take() or "-") for _ in range(count))


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        pytest.param("abc", "abc", id="first come, first served"),
        pytest.param("ABC", "abc", id="of either kind"),
        pytest.param("ABCd", "adbc", id="a flood lets others between"),
        pytest.param("abcD", "dabc", id="and others do not keep it out"),
        pytest.param("ABCdef", "adbecf", id="they take turns"),
    ],
)
def test_the_two_lines_take_turns(ready: str, expected: str) -> None:
    assert Host(*ready).take(len(ready) + 1) == expected + "-"


@pytest.mark.parametrize("capital", [False, True], ids=["from outside", "caused"])
def test_a_type_that_floods_has_one_share(capital: bool) -> None:
    ready = ["f/1", "f/2", "f/3", "f/4", "g/1", "h/1", "g/2"]
    host = Host(*(name.upper() if capital else name for name in ready))
    assert [host.take() for _ in ready] == ["f/1", "g/1", "h/1", "f/2", "g/2", "f/3", "f/4"]


def test_the_types_of_two_tenants_are_two() -> None:
    host = Host("a/1", "a/2")
    host.lanes.add(AgentId("a", "3", "other"), message("a"))
    taken = [host.lanes.take() for _ in range(3)]
    assert [each and each.key for each in taken] == ["1", "3", "2"]


def test_while_many_writes_are_under_way_only_those_from_outside_are_served() -> None:
    host = Host(*"AbCd", writes=WRITES_BESIDE_OTHERS_MAX)
    assert host.take(3) == "bd-"
    host.writes -= 1
    assert host.take(3) == "ac-"


def test_a_busy_store_keeps_nobody_out_for_ever() -> None:
    assert Host(*"Abcdefghijk", writes=WRITES_ALONE_MAX).take(10) == "bcdefghiaj"


def test_who_is_alone_may_fill_a_commit_until_others_are_about() -> None:
    host = Host(*"ABCD", writes=WRITES_ALONE_MAX - 1)
    assert host.take(1) == "a"
    host.add("e")
    assert host.take(2) == "e-"
    host.now = ABOUT_SECONDS - 0.001
    assert host.take() == "-"
    host.now = ABOUT_SECONDS
    assert host.take() == "b"
    host.writes = WRITES_ALONE_MAX
    assert host.take() == "-"


def test_a_bell_is_no_cause() -> None:
    rung = Host(writes=WRITES_ALONE_MAX)
    rung.lanes.add(AgentId("a"), doorbell(AgentId("a")))
    assert rung.take() == "a"


def test_a_flood_of_long_turns_leaves_places_for_others() -> None:
    host = Host(*"ABCDEf", turns=2)
    assert host.take(4) == "afb-"
    assert not host.lanes.over(AgentId("other"))
    assert host.lanes.over(AgentId("a"))
    assert host.take(2) == "c-"
    host.add("g")
    assert host.take(2) == "g-"


async def test_what_waits_for_the_store_goes_on_when_it_is_rung() -> None:
    writes = WRITES_ALONE_MAX
    mail = Mailboxes(64, lambda: writes)
    mail.add(message("a", hops=1))
    turns = mail.turns()
    mail.add(message("b"))
    assert str((await anext(turns)).agent) == "b"
    writes = 0
    mail.ring()
    assert str((await anext(turns)).agent) == "a"
    mail.close()


async def test_what_waits_for_a_place_goes_on_when_a_turn_ends() -> None:
    mail = Mailboxes(64, caused_turns_max=1)
    mail.add(message("a", hops=1))
    mail.add(message("b", hops=1))
    turns = mail.turns()
    first = await anext(turns)
    assert str(first.agent) == "a"
    second = asyncio.ensure_future(anext(turns))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not second.done()
    mail.settle(first.receipts)
    assert str((await asyncio.wait_for(second, 5)).agent) == "b"
    mail.close()
