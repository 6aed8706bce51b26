"""Whose turn it is: a flood of events that others have caused lets everybody else between."""

import pytest

from AgentOperatingSystem.events import Event, Message, doorbell, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.lanes import Lanes
from AgentOperatingSystem.messaging.mailboxes import Mailboxes


def message(agent: str, hops: int = 0) -> Message:
    return event_message(Event(id="1", source="/test", type="test", agent=AgentId(agent), hops=hops))


def lanes(*names: str, full: bool = False) -> Lanes:
    """Agents in this order; those in capitals were woken by what others have caused."""
    made = Lanes(lambda: full)
    for name in names:
        made.add(AgentId(name.lower()), message(name.lower(), hops=int(name.isupper())))
    return made


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
    made = lanes(*ready)
    assert "".join(str(made.take()) for _ in ready) == expected
    assert made.take() is None


def test_while_the_store_is_full_only_those_from_outside_are_served() -> None:
    full = lanes(*"AbCd", full=True)
    assert [str(full.take()) for _ in range(2)] == ["b", "d"]
    assert full.take() is None


def test_a_full_store_keeps_nobody_out_for_ever() -> None:
    full = lanes(*"Abcdefghijk", full=True)
    assert "".join(str(full.take()) for _ in range(10)) == "bcdefghiaj"


def test_a_bell_is_no_cause() -> None:
    rung = lanes(full=True)
    rung.add(AgentId("a"), doorbell(AgentId("a")))
    assert str(rung.take()) == "a"


async def test_what_waits_for_the_store_goes_on_when_it_is_rung() -> None:
    full = [True]
    mail = Mailboxes(64, lambda: full[0])
    mail.add(message("a", hops=1))
    turns = mail.turns()
    mail.add(message("b"))
    assert str((await anext(turns)).agent) == "b"
    full[0] = False
    mail.ring()
    assert str((await anext(turns)).agent) == "a"
    mail.close()
