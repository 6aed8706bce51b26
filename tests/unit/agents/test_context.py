"""The system calls: what a handler may ask for, what is checked at once, and what is the same at every try."""

from typing import Any

import pytest
from msgspec.structs import replace

from AgentOperatingSystem.agents.context import Context, Limits
from AgentOperatingSystem.errors import (
    InvalidEvent,
    InvalidInput,
    InvalidSchedule,
    InvalidTopic,
    Quarantine,
    TooLarge,
    UnknownAgent,
)
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

ME = AgentId("me", "k", "north")
NOW = 1_767_225_600.0
CAUSE = Event(
    type="cause",
    id="1",
    agent=ME,
    tenant="north",
    conversation="talk",
    correlation="c",
    subject="s",
    traceparent="00-aa-bb-01",
    hops=3,
)


class Stored:
    """An agent's memory as of the last commit."""

    def __init__(self, **kept: Any) -> None:
        self.kept = kept

    async def recall(self, key: str) -> Any:
        return self.kept.get(key)

    async def recall_prefix(self, prefix: str, limit: int) -> dict[str, Any]:
        found = sorted(key for key in self.kept if key.startswith(prefix))
        return {key: self.kept[key] for key in found[:limit]}

    async def read_row(self, kind: str, name: str) -> bytes | None:
        return None

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]:
        return {}


class Directory:
    """Knows everybody but nobody."""

    def check_recipient(self, agent: AgentId) -> None:
        if agent.name == "nobody":
            raise UnknownAgent("nobody")

    def capabilities(self) -> dict[str, tuple[str, ...]]:
        return {"you": ("listening",)}


def context(event: Event = CAUSE, limits: Limits | None = None, attempt: int = 1) -> Context:
    return Context(event, ME, {}, Stored(), Directory(), limits or Limits(), NOW, attempt)


def remembering(kept: dict[str, Any]) -> Context:
    return Context(CAUSE, ME, {}, Stored(**kept), Directory(), Limits(), NOW, 1)


# --- talking to others ------------------------------------------------------------------------------------------------


async def test_an_event_carries_on_what_its_cause_brought() -> None:
    sent = await context().send("you/key", {"a": 1}, type="t", priority=5)
    assert sent.agent == AgentId("you", "key", "north")
    assert (sent.tenant, sent.source, sent.causation, sent.hops) == ("north", "/agents/me/k", "1", 4)
    assert (sent.conversation, sent.traceparent, sent.priority, sent.time) == ("talk", "00-aa-bb-01", 5, NOW)
    assert (sent.correlation, sent.due) == ("", 0.0)


async def test_a_publication_is_about_what_its_cause_is_about() -> None:
    sent = await context().publish("news.today", 1)
    assert (sent.topic, sent.type, sent.subject, sent.agent, sent.tenant) == (
        "news.today",
        "news.today",
        "s",
        None,
        "north",
    )
    other = await context().publish("news.today", 1, type="t", subject="other")
    assert (other.type, other.subject) == ("t", "other")


async def test_a_broadcast_is_a_publication_to_a_group() -> None:
    sent = await context().broadcast("team", 1)
    assert (sent.topic, sent.type) == ("aos.group.team", "aos.broadcast")


async def test_ids_are_the_same_at_every_try_and_each_its_own() -> None:
    async def ids(which: Context) -> list[str]:
        return [
            (await which.send("you", 1)).id,
            (await which.send("you", 1)).id,
            (await which.publish("a", 1)).id,
            await which.request("you", 1),
        ]

    first, again = await ids(context(attempt=1)), await ids(context(attempt=2))
    assert first == again
    assert len(set(first)) == 4


async def test_a_deliberate_resending_sends_events_of_its_own() -> None:
    first = await context().send("you", 1)
    again = await context(replace(CAUSE, generation=1)).send("you", 1)
    other = await context(replace(CAUSE, id="2")).send("you", 1)
    assert len({first.id, again.id, other.id}) == 3


async def test_data_may_change_after_it_was_sent() -> None:
    data = {"list": [1]}
    sent = await context().send("you", data)
    data["list"].append(2)
    assert sent.data == {"list": [1]}


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c: c.send("nobody", 1), UnknownAgent),
        (lambda c: c.request("nobody", 1), UnknownAgent),
        (lambda c: c.send("not a name", 1), InvalidInput),
        (lambda c: c.send("you", object()), InvalidEvent),
        (lambda c: c.send("you", "\ud800"), InvalidEvent),
        (lambda c: c.send("you", 1, type=""), InvalidEvent),
        (lambda c: c.send("you", 1, priority=10), InvalidEvent),
        (lambda c: c.send("you", 1, subject="x" * 2000), InvalidEvent),
        (lambda c: c.send("you", 1, after_seconds=1e300), InvalidEvent),
        (lambda c: c.send("you", "x" * 2000), TooLarge),
        (lambda c: c.publish("a.*", 1), InvalidTopic),
        (lambda c: c.publish("a", "x" * 2000), TooLarge),
        (lambda c: c.broadcast("a b..c", 1), InvalidTopic),
        (lambda c: c.request("you", 1, timeout_seconds=float("nan")), InvalidInput),
        (lambda c: c.schedule("s"), InvalidSchedule),
        (lambda c: c.schedule("s", cron="no"), InvalidSchedule),
        (lambda c: c.schedule("s", after_seconds=float("inf")), InvalidSchedule),
        (lambda c: c.schedule("s", at=NOW, data=object()), InvalidInput),
        (lambda c: c.schedule("s", at=NOW, data="x" * 2000), TooLarge),
        (lambda c: c.remember("", 1), InvalidInput),
        (lambda c: c.remember("x" * 513, 1), InvalidInput),
        (lambda c: c.remember("\ud800", 1), InvalidInput),
        (lambda c: c.remember("a", object()), InvalidEvent),
        (lambda c: c.remember("a", "x" * 2000), TooLarge),
    ],
)
async def test_what_cannot_be_is_refused_when_it_is_asked_for(call: Any, error: type[Exception]) -> None:
    asked = context(limits=Limits(event_bytes_max=1000))
    with pytest.raises(error):
        await call(asked)
    assert (asked.collected.events, asked.collected.rows, asked.collected.timers) == ([], {}, {})


async def test_a_chain_that_is_too_long_ends() -> None:
    asked = context(limits=Limits(hops_max=3))
    for call in (asked.send("you", 1), asked.publish("a", 1), asked.request("you", 1)):
        with pytest.raises(Quarantine, match="hop limit 3 reached"):
            await call


async def test_an_event_for_later_is_due_then() -> None:
    assert (await context().send("you", 1, after_seconds=60)).due == NOW + 60
    assert (await context().send("you", 1, after_seconds=-5)).due == 0.0


async def test_a_request_has_a_time_limit_of_the_same_name() -> None:
    asked = context()
    correlation = await asked.request("you", {"q": 1}, timeout_seconds=30)
    (sent,) = asked.collected.events
    timer = asked.collected.timers[correlation]
    assert timer is not None
    assert (sent.correlation, sent.reply_to, timer.due, timer.request) == (correlation, ME, NOW + 30, True)


# --- memory -----------------------------------------------------------------------------------------------------------


async def test_what_was_remembered_in_this_handling_is_recalled() -> None:
    asked = remembering({"old": "o", "gone": "g"})
    await asked.remember("new", {"n": [1]})
    await asked.forget("gone")
    assert [await asked.recall(key) for key in ("old", "new", "gone", "never")] == ["o", {"n": [1]}, None, None]
    await asked.forget("new")
    assert await asked.recall("new") is None


async def test_a_prefix_finds_both() -> None:
    asked = remembering({"a/1": 1, "a/2": 2, "b": 3})
    await asked.remember("a/0", 0)
    await asked.remember("a/2", "two")
    await asked.forget("a/1")
    assert await asked.recall_prefix("a/") == {"a/0": 0, "a/2": "two"}
    assert await asked.recall_prefix("") == {"a/0": 0, "a/2": "two", "b": 3}


async def test_a_limited_prefix_is_filled_up_where_something_was_forgotten() -> None:
    asked = remembering({f"k{number}": number for number in range(6)})
    await asked.forget("k0")
    await asked.forget("k1")
    assert await asked.recall_prefix("k", limit=3) == {"k2": 2, "k3": 3, "k4": 4}


# --- what is the same at every try ------------------------------------------------------------------------------------


def test_time_stands_still_while_the_handler_runs() -> None:
    assert context().now() == NOW


def test_chance_is_the_same_at_every_try() -> None:
    first, again = context(attempt=1), context(attempt=2)
    assert [first.random().random() for _ in range(3)] == [again.random().random() for _ in range(3)]
    assert [first.uuid() for _ in range(3)] == [again.uuid() for _ in range(3)]
    assert len({first.uuid() for _ in range(100)}) == 100
    assert first.uuid().version == 4


def test_chance_is_another_one_for_another_event_or_agent() -> None:
    other = context(replace(CAUSE, id="2"))
    assert context().random().random() != other.random().random()
    assert context().uuid() != other.uuid()


def test_the_log_says_who_speaks() -> None:
    extra = context(attempt=2).log.extra
    assert extra == {"tenant": "north", "agent": "me/k", "event": "1", "attempt": 2}
