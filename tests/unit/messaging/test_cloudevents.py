"""CloudEvents in and out: round trips, what the SDK reads and writes, and everything that is refused."""

import json
import string
from typing import Any

import pytest
from cloudevents.core.bindings import http
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.clock import from_iso
from AgentOperatingSystem.errors import InvalidEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.cloudevents import BATCH, STRUCTURED, from_http, to_binary, to_structured

# --- round trips ---------------------------------------------------------------------------------------------------

_characters = st.characters(blacklist_categories=("Cc", "Cs"))
texts = st.text(_characters, max_size=30)
names = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=8)
tenants = st.sampled_from(["default", "north", "south"])
agents = st.builds(AgentId, name=names, key=texts, tenant=tenants)
times = st.just(0.0) | st.datetimes().map(lambda moment: from_iso(moment.isoformat()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
foreign_names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).map("x".__add__)
foreign: st.SearchStrategy[dict[str, str | int | bool] | None] = st.none() | st.dictionaries(
    foreign_names, texts, min_size=1, max_size=3
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    agent = draw(st.none() | agents)
    return Event(
        type=draw(texts.filter(bool)),
        source=draw(texts.filter(bool)),
        id=draw(texts.filter(bool)),
        data=draw(json_values),
        subject=draw(texts),
        time=draw(times),
        due=draw(times),
        agent=agent,
        tenant=agent.tenant if agent else draw(tenants),
        reply_to=draw(st.none() | agents),
        topic=draw(texts),
        conversation=draw(texts),
        correlation=draw(texts),
        causation=draw(texts),
        traceparent=draw(texts),
        priority=draw(st.integers(0, 9)),
        asks=draw(st.lists(agents.map(lambda agent: agent.partition), max_size=2).map(tuple)),
        hops=draw(st.integers(0, 40)),
        credits=draw(st.integers(-1, 2000)),
        generation=draw(st.integers(0, 5)),
        extensions=draw(foreign),
    )


@given(events())
def test_structured_mode_gives_the_same_event_back(event: Event) -> None:
    assert from_http({"Content-Type": STRUCTURED}, to_structured(event), trusted=True) == [event]


@given(events())
def test_binary_mode_gives_the_same_event_back(event: Event) -> None:
    headers, body = to_binary(event)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert from_http(headers, body, trusted=True) == [event]


@given(st.lists(events(), max_size=3))
def test_a_batch_gives_the_same_events_back(sent: list[Event]) -> None:
    body = b"[" + b",".join(map(to_structured, sent)) + b"]"
    assert from_http({"content-type": f"{BATCH}; charset=utf-8"}, body, trusted=True) == sent


def test_numbers_and_truth_values_keep_their_type_in_structured_mode_and_are_spelt_in_headers() -> None:
    event = Event(type="t", extensions={"sequence": 7, "final": True, "dataschema": "https://example.com/s.json"})
    assert from_http({"content-type": STRUCTURED}, to_structured(event)) == [event]
    (read,) = from_http(*to_binary(event))
    assert read.extensions == {"sequence": "7", "final": "true", "dataschema": "https://example.com/s.json"}


# --- with the SDK as the other side ----------------------------------------------------------------------------------

FULL = Event(
    type="com.example.order.created",
    source="/shop/søster",
    id='4711 "a"%',
    subject="orders/1",
    time=from_iso("2026-01-02T03:04:05.25Z"),
    data={"amount": 3, "note": "größer"},
    agent=AgentId("repo", "octo/hello"),
    priority=4,
)


def check_as_read_by_the_sdk(read: Any) -> None:
    assert (read.get_type(), read.get_source(), read.get_id()) == (FULL.type, FULL.source, FULL.id)
    assert read.get_subject() == FULL.subject
    assert read.get_time().timestamp() == FULL.time
    assert read.get_data() == FULL.data
    assert read.get_extension("aosagent") == "repo/octo/hello"
    assert str(read.get_extension("aospriority")) == "4"


def test_the_sdk_reads_what_is_written_in_structured_mode() -> None:
    message = http.HTTPMessage({"content-type": STRUCTURED}, to_structured(FULL))
    check_as_read_by_the_sdk(http.from_structured(message, JSONFormat()))


def test_the_sdk_reads_what_is_written_in_binary_mode() -> None:
    check_as_read_by_the_sdk(http.from_binary(http.HTTPMessage(*to_binary(FULL)), JSONFormat()))


@pytest.mark.parametrize("mode", [http.to_structured_event, http.to_binary_event])
def test_what_the_sdk_writes_is_read(mode: Any) -> None:
    attributes = {"type": "a.b", "source": "/s ö", "id": "1", "aosagent": "ceo", "aospriority": 3, "partitionkey": "p"}
    message = mode(CloudEvent(dict(attributes), {"n": 1}))
    (event,) = from_http(message.headers, message.body)
    assert (event.type, event.source, event.id, event.data) == ("a.b", "/s ö", "1", {"n": 1})
    assert (event.agent, event.priority, event.extensions) == (AgentId("ceo"), 3, {"partitionkey": "p"})
    assert event.time > 0


# --- data ----------------------------------------------------------------------------------------------------------

LEAST = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
LEAST_HEADERS = {f"ce-{name}": value for name, value in LEAST.items()}


def read_structured(**attributes: Any) -> Event:
    (event,) = from_http({"content-type": STRUCTURED}, json.dumps(LEAST | attributes).encode())
    return event


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'"text"', "text"),
        ("application/vnd.github+json; charset=utf-8", b"[1]", [1]),
        ("", b"{}", {}),
        ("text/plain", "grün".encode(), "grün"),
        ("text/csv; charset=UTF-8", b"1", "1"),
        ("application/json", b"", None),
    ],
)
def test_data_in_binary_mode(content_type: str, body: bytes, data: Any) -> None:
    headers = LEAST_HEADERS | ({"Content-Type": content_type} if content_type else {})
    assert from_http(headers, body)[0].data == data


def test_data_that_is_packed_in_base64_is_unpacked() -> None:
    assert read_structured(data_base64="eyJhIjoxfQ==").data == {"a": 1}
    assert read_structured(data_base64="Z3LDvG4=", datacontenttype="text/plain").data == "grün"


def test_an_event_without_time_and_data_has_none() -> None:
    event = read_structured()
    assert (event.time, event.data, event.extensions) == (0.0, None, None)
    assert b'"time"' not in to_structured(event)
    assert b'"data' not in to_structured(event)


# --- from outside --------------------------------------------------------------------------------------------------


def test_what_only_the_system_knows_is_not_taken_from_outside() -> None:
    event = Event(type="t", hops=3, credits=999_999, generation=2, asks=("default|a/", "default|b/k 1"))
    (outside,) = from_http(*to_binary(event))
    (inside,) = from_http(*to_binary(event), trusted=True)
    assert (outside.hops, outside.credits, outside.generation, outside.asks) == (0, -1, 0, ())
    assert (inside.hops, inside.credits, inside.generation) == (3, 999_999, 2)
    assert inside.asks == ("default|a/", "default|b/k 1")


def test_an_event_belongs_to_its_callers_tenant() -> None:
    (event,) = from_http(LEAST_HEADERS | {"ce-aosagent": "ceo/a|b"}, b"", tenant="north")
    assert (event.tenant, event.agent) == ("north", AgentId("ceo", "a|b", "north"))
    assert from_http(LEAST_HEADERS | {"ce-aostenant": "north"}, b"", tenant="north")[0].tenant == "north"


@pytest.mark.parametrize("name", ["aostenant", "aosagent", "aosreplyto"])
def test_another_tenant_is_refused(name: str) -> None:
    value = "south" if name == "aostenant" else "south|ceo/"
    with pytest.raises(InvalidEvent, match=f"'{name}' is .*belongs to tenant 'north'"):
        from_http(LEAST_HEADERS | {f"ce-{name}": value}, b"", tenant="north")


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEAST)
def test_a_missing_attribute_is_named_in_both_modes(name: str) -> None:
    document = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(InvalidEvent, match=f"^CloudEvent: the attribute '{name}' is missing$"):
        from_http({"content-type": STRUCTURED}, json.dumps(document).encode())
    with pytest.raises(InvalidEvent, match=f"'{name}' is missing"):
        from_http({f"ce-{key}": value for key, value in document.items()}, b"")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"specversion": "0.3"}, "'specversion' must be '1.0'"),
        ({"id": 7}, "'id' must be a"),
        ({"id": ""}, "'id' must not be None or empty"),
        ({"source": "s" * 1025}, "'source' is 's+': at most 1024 characters"),
        ({"type": "a\nb"}, "none of them control characters"),
        ({"time": "yesterday"}, "isoformat string: 'yesterday'"),
        ({"time": "2026-01-02T03:04:05"}, "'time' must be timezone aware"),
        ({"time": 5}, "'time' must be a"),
        ({"Comment": "x"}, "'Comment' should only contain lowercase letters and numbers"),
        ({"comment": {"a": 1}}, "'comment' is neither a text, a whole number nor a truth value"),
        ({"comment": 1.5}, "'comment' is neither"),
        ({"x" * 65: "x"}, "attribute name 'x+': at most 64"),
        ({f"x{place}": "x" for place in range(61)}, "65 attributes; at most 64"),
        ({"aosagnt": "ceo"}, "'aosagnt': names that begin with 'aos' belong to this system, which has aosagent, "),
        ({"aosagent": "the ceo"}, "agent name 'the ceo'"),
        ({"aosagent": 5}, "'aosagent' is not a text"),
        ({"aospriority": 10}, "priority 10: needs 0 to 9"),
        ({"aospriority": "high"}, "'aospriority' is 'high', which is not a number"),
        ({"aospriority": "9999999999"}, "'aospriority' is '9999999999', which is not a number of the right size"),
        ({"aospriority": True}, "which is not a number"),
        ({"aosdue": "soon"}, "isoformat string: 'soon'"),
        ({"data": 1, "data_base64": "MQ=="}, "either 'data' or"),
        ({"data_base64": "?"}, "'data_base64' is not base64"),
        ({"data_base64": "/w==", "datacontenttype": "image/png"}, "'image/png': an event's data is JSON or text"),
    ],
)
def test_a_wrong_attribute_is_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^CloudEvent: .*{message}"):
        read_structured(**attributes)


@pytest.mark.parametrize(
    ("headers", "body", "message"),
    [
        ({"content-type": STRUCTURED}, b"{", "CloudEvent: "),
        ({"content-type": STRUCTURED}, b"[]", "CloudEvent: Expected `object`"),
        ({"content-type": STRUCTURED}, b'{"id": "\xff"}', "CloudEvent: .*utf-8"),
        ({"content-type": STRUCTURED}, b'{"data":' + b"[" * 100_000, "CloudEvent: .*recursion"),
        ({"content-type": "application/cloudevents+avro"}, b"", "'application/cloudevents\\+avro' is not known here"),
        ({"content-type": BATCH}, b"{}", "batch of CloudEvents: Expected `array`"),
        ({"content-type": BATCH}, b"[" + b"1," * 1000 + b"1]", "1001 events; at most 1000"),
        ({"content-type": BATCH}, f"[{json.dumps(LEAST)}, 5]".encode(), "event 2 of the batch: Expected `object`"),
        ({"content-type": "application/json"}, b"{}", "'specversion' is missing"),
        (LEAST_HEADERS | {"ce-id": "%FF"}, b"", "header 'ce-id' is '%FF': its escapes are not UTF-8"),
        (LEAST_HEADERS | {"ce-time": "never"}, b"", "CloudEvent: "),
        (LEAST_HEADERS, b"{", "CloudEvent: Input data was truncated"),
        (LEAST_HEADERS | {"content-type": "application/xml"}, b"<a/>", "'application/xml': an event's data is"),
        (LEAST_HEADERS | {"content-type": "text/plain; charset=latin-1"}, b"\xe4", "only UTF-8 is read"),
        (LEAST_HEADERS | {"content-type": "text/plain"}, b"\xe4", "CloudEvent: .*utf-8"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused(headers: dict[str, str], body: bytes, message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        from_http(headers, body)


def test_an_event_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(InvalidEvent, match=r"^event 1: attribute 'subject' is"):
        to_structured(Event(type="t", id="1", subject="a\nb"))
    with pytest.raises(InvalidEvent, match=r"^event 1: not a JSON value"):
        to_binary(Event(type="t", id="1", data=object()))
