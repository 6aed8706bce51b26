"""The chain of asks: what a request carries, and which one would close a ring."""

import msgspec
import pytest

from AgentOperatingSystem.agents.asking import Owed, chain, owed_by
from AgentOperatingSystem.errors import Deadlock, Quarantine
from AgentOperatingSystem.events import TEXT_LENGTH_MAX, Event, asks_of, asks_text
from AgentOperatingSystem.ids import AgentId

A, B, C = (AgentId(name) for name in "abc")
WAITING = (A.partition, B.partition)


def test_a_request_names_all_who_wait_for_it() -> None:
    assert chain((), A, B) == (A.partition,)
    assert chain(WAITING, C, AgentId("d")) == (*WAITING, C.partition)


def test_a_ring_is_refused_and_named() -> None:
    with pytest.raises(Deadlock, match="a → b → c → a") as caught:
        chain(WAITING, C, A)
    assert caught.value.ring == ("a", "b", "c", "a")
    with pytest.raises(Deadlock) as caught:
        chain(WAITING, C, B)
    assert caught.value.ring == ("b", "c", "b"), "only those of the ring are named"


def test_instances_and_tenants_are_agents_of_their_own() -> None:
    assert chain(WAITING, C, AgentId("a", "1"))
    assert chain(WAITING, C, AgentId("a", "", "north"))


def test_an_agent_may_ask_itself_unless_it_is_blocked_meanwhile() -> None:
    assert chain((), A, A) == (A.partition,)
    with pytest.raises(Deadlock, match="a → a"):
        chain((), A, A, blocked=True)


def test_a_chain_that_no_envelope_carries_is_refused() -> None:
    waiting = [AgentId("a", f"{number}" + "k" * 200).partition for number in range(4)]
    assert chain(waiting, A, B)
    with pytest.raises(Quarantine, match=f"longer than {TEXT_LENGTH_MAX} characters: 6 agents wait"):
        chain([*waiting, AgentId("a", "5" + "k" * 200).partition], A, B)


def test_a_chain_is_one_text_whatever_the_keys_hold() -> None:
    asks = tuple(AgentId("a", key, "north").partition for key in ("", "a b", "%20", "ü|/", "a,b;c"))
    assert asks_of(asks_text(asks)) == asks
    assert asks_text(asks).isascii()
    assert asks_of("") == ()


def test_what_is_owed_is_plain_json() -> None:
    event = Event(type="t", id="1", agent=B, reply_to=A, correlation="c", conversation="talk", asks=(A.partition,))
    owed = owed_by(event)
    assert owed == Owed(event="1", to=A, correlation="c", conversation="talk", asks=(A.partition,))
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(owed)), Owed) == owed
