"""The envelope, its messages, and the patterns that select it."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import InvalidEvent, InvalidTopic
from AgentOperatingSystem.events import (
    Event,
    Kind,
    Message,
    check_topic,
    doorbell,
    encode,
    event_message,
    fingerprint,
    is_deeper,
    matches,
    pattern,
    publication_message,
)
from AgentOperatingSystem.ids import AgentId, event_key

A, B = AgentId("a"), AgentId("b", "k", "other")


def made(**fields: Any) -> Event:
    """An event of these fields, of a type that matters to nobody where none is given."""
    return Event(**({"type": "t"} | fields))


# --- the event --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"type": ""}, "event type ''"),
        ({"type": "x" * 1025}, "event type 'xxx"),
        ({"source": ""}, "event source ''"),
        ({"source": "x" * 1025}, "event source"),
        ({"id": ""}, "event id ''"),
        ({"id": "x" * 1025}, "event id"),
        ({"id": 5}, "event id 5: needs a text"),
        ({"subject": None}, "event subject None: needs a text"),
        ({"time": math.nan}, "event time nan: is no time"),
        ({"due": math.inf}, "event due inf: is no time"),
        ({"due": 1e12}, "event due 1000000000000.0"),
        ({"time": -1e12}, "event time"),
        ({"priority": -1}, "event priority -1: needs 0 to 9"),
        ({"priority": 10}, "event priority 10"),
    ],
)
def test_an_event_that_breaks_a_rule_is_refused(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidEvent, match=complaint):
        Event(**({"type": "t"} | fields))


@pytest.mark.parametrize("field", ["type", "source", "id", "subject", "topic", "conversation", "correlation"])
@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"], ids=ascii)
def test_a_text_that_is_no_unicode_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidEvent, match=f"event {field}"):
        made(**{field: text})


def test_long_texts_and_any_characters_are_fine() -> None:
    long = "ü" * 1024
    event = Event(type=long, source=long, id=long, subject=long, topic=long, conversation=long, correlation="🙂")
    assert event.id == long


@pytest.mark.parametrize("field", ["subject", "topic", "conversation", "correlation", "causation", "traceparent"])
def test_texts_have_a_length(field: str) -> None:
    with pytest.raises(InvalidEvent, match=f"event {field}"):
        made(**{field: "x" * 1025})


def test_an_event_is_named_by_itself_where_nobody_names_it() -> None:
    assert Event(type="t").id != Event(type="t").id


def test_the_key_is_that_of_source_and_id_and_follows_a_change() -> None:
    event = Event(type="t", source="/s", id="1")
    assert event.key == event_key("/s", "1")
    assert msgspec.structs.replace(event, id="2").key == event_key("/s", "2")
    assert msgspec.structs.replace(event, source="/z").key == event_key("/z", "1")


def test_to_addresses_in_the_recipients_tenant() -> None:
    event = Event(type="t", data=1).to(B)
    assert (event.agent, event.tenant, event.data) == (B, "other", 1)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_cached_key_changes_nothing_that_is_seen(source: str, event_id: str) -> None:
    if not source or not event_id or not (source + event_id).isprintable():
        return
    event, other = Event(type="t", source=source, id=event_id), Event(type="t", source=source, id=event_id)
    assert event.key
    assert event == other
    assert msgspec.json.encode(event) == msgspec.json.encode(other)


def test_an_event_comes_back_from_json() -> None:
    event = Event(type="t", data={"a": [1, None]}, agent=B, tenant="other", reply_to=A, extensions={"x": True}, due=1.5)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


# --- fingerprints -----------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_over_what_the_producer_said() -> None:
    event = Event(type="t", id="1", subject="s", data={"a": 1, "b": 2})
    same = Event(
        type="t", id="2", source="/elsewhere", subject="s", data={"b": 2, "a": 1}, time=9.0, hops=3, priority=2
    )
    assert fingerprint(event) == fingerprint(same)
    others: list[dict[str, Any]] = [{"type": "u"}, {"subject": "z"}, {"data": {"a": 1}}, {"data": None}]
    assert len({fingerprint(msgspec.structs.replace(event, **other)) for other in others} | {fingerprint(event)}) == 5


def test_a_fingerprint_keeps_lists_in_order_and_types_apart() -> None:
    data = [[1, 2], [2, 1], ["1", "2"], {"0": 1}, "1", 1, 1.5, True, None, "", [], {}]
    assert len({fingerprint(Event(type="t", data=each)) for each in data}) == len(data)


# --- messages ---------------------------------------------------------------------------------------------------------


def test_a_message_carries_an_event_to_its_agent() -> None:
    event = Event(type="t", id="1", agent=A, due=5.0)
    message = event_message(event, "mark")
    assert message == Message(id=message.id, agent=A, event=event, due=5.0, fingerprint="mark")
    assert message.id == event_message(event).id


def test_an_event_without_a_recipient_fits_in_no_message() -> None:
    with pytest.raises(InvalidEvent, match="no recipient"):
        event_message(Event(type="t", id="1"))


def test_message_ids_follow_identity_and_generation() -> None:
    event = Event(type="t", id="1", agent=A)
    same: list[dict[str, Any]] = [{}, {"data": 5}, {"hops": 1}, {"time": 9.0}, {"crashes": 1}, {"due": 4.0}]
    different: list[dict[str, Any]] = [
        {"generation": 1},
        {"source": "/z"},
        {"id": "2"},
        {"agent": B, "tenant": "other"},
    ]
    ids = {event_message(msgspec.structs.replace(event, **fields)).id for fields in same}
    assert len(ids) == 1
    assert len(ids | {event_message(msgspec.structs.replace(event, **fields)).id for fields in different}) == 5


def test_a_publication_is_named_by_its_topic_and_tenant() -> None:
    event = Event(type="t", id="1", topic="news")
    message = publication_message(event)
    assert (message.kind, message.agent, message.event) == (Kind.PUBLICATION, None, event)
    others: list[dict[str, Any]] = [{"topic": "olds"}, {"tenant": "other"}, {"id": "2"}, {"generation": 1}]
    ids = {publication_message(msgspec.structs.replace(event, **fields)).id for fields in others}
    assert len(ids | {message.id, event_message(event.to(A)).id}) == 6


def test_doorbells_for_one_reason_and_time_are_one() -> None:
    assert doorbell(A, 5.0, "tick") == doorbell(A, 5.0, "tick")
    bells = [doorbell(A, 5.0, "tick"), doorbell(A, 5.5, "tick"), doorbell(A, 5.0, "tock"), doorbell(B, 5.0, "tick")]
    assert len({bell.id for bell in bells}) == 4
    assert {(bell.kind, bell.event) for bell in bells} == {(Kind.DOORBELL, None)}


# --- JSON -------------------------------------------------------------------------------------------------------------


class Unknown:
    """Nothing that JSON has."""


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [Unknown(), {1: Unknown()}, "\ud800", nested(100_000)], ids=lambda v: type(v).__name__
)
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidEvent, match="not a JSON value"):
        encode(value)


def test_nan_and_infinity_are_null_in_json() -> None:
    assert encode([math.nan, math.inf]) == b"[null,null]"


@pytest.mark.parametrize(
    ("value", "levels", "deeper"),
    [(1, 0, False), ([], 0, True), ([], 1, False), (nested(5), 5, False), (nested(5), 4, True), ({"a": [{}]}, 2, True)],
)
def test_depth_is_counted(value: Any, levels: int, deeper: bool) -> None:
    assert is_deeper(value, levels) == deeper


# --- topics and patterns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["a", "a.b", "repo.changed", "ä.🙂", "a" * 256, "a-b_c.9"])
def test_topics_that_may_be_published_to(topic: str) -> None:
    assert check_topic(topic) == topic


@pytest.mark.parametrize("topic", ["", ".", "a.", ".a", "a..b", "*", "a.*", "a.#", "#", "a*", "a" * 257])
def test_topics_that_may_not(topic: str) -> None:
    with pytest.raises(InvalidTopic, match="without wildcards"):
        check_topic(topic)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "a.bb", "aab", "A.B"]),
        ("a.*", ["a.b", "a.🙂"], ["a", "a.b.c", "b.b"]),
        ("*", ["a", "b"], ["a.b"]),
        ("*.*", ["a.b"], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["b", "ab", "ab.c"]),
        ("#", ["a", "a.b", "a.b.c"], []),
        ("*.#", ["a", "a.b"], []),
        ("repo.*.done", ["repo.x.done"], ["repo.done", "repo.x.y.done"]),
        ("order-*.x", ["order-1.x", "order-.x"], ["order.x", "order-1.2.x"]),
        ("a.b+c", ["a.b+c"], ["a.bbc"]),
        ("(a|b)", ["(a|b)"], ["a"]),
    ],
)
def test_patterns_select_whole_topics(text: str, yes: list[str], no: list[str]) -> None:
    assert {topic: matches(text, topic) for topic in (*yes, *no)} == dict.fromkeys(yes, True) | dict.fromkeys(no, False)


@pytest.mark.parametrize("text", ["", ".", "a.", "a..b", "#.a", "a.#.b", "a.b#.c", "x" * 257])
def test_patterns_that_cannot_be_read(text: str) -> None:
    with pytest.raises(InvalidTopic, match="pattern"):
        pattern(text)


words = st.text("ab*", min_size=1, max_size=3)


def plainly_matches(pattern_words: list[str], topic_words: list[str]) -> bool:
    """The same, word by word, as one would explain it."""
    if pattern_words[-1:] == ["#"]:
        head = pattern_words[:-1]
        return len(topic_words) >= max(1, len(head)) and plainly_matches(head, topic_words[: len(head)])
    return len(pattern_words) == len(topic_words) and all(
        word_matches(one, other) for one, other in zip(pattern_words, topic_words, strict=True)
    )


def word_matches(word: str, text: str) -> bool:
    if not word:
        return not text
    rest: Callable[[str], bool] = lambda tail: word_matches(word[1:], tail)  # noqa: E731  # reads best in a line
    if word[0] == "*":
        return any(rest(text[at:]) for at in range(len(text) + 1))
    return text[:1] == word[0] and rest(text[1:])


@given(
    st.lists(words, min_size=1, max_size=3),
    st.booleans(),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4),
)
def test_patterns_do_what_an_explanation_says(pattern_words: list[str], is_open: bool, topic_words: list[str]) -> None:
    pattern_words = [*pattern_words, "#"] if is_open else pattern_words
    assert matches(".".join(pattern_words), ".".join(topic_words)) == plainly_matches(pattern_words, topic_words)
