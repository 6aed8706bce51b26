"""What a mailbox message is on the wire, and what becomes of messages that others send."""

import json
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem.errors import InvalidEvent
from AgentOperatingSystem.events import Event, Kind, Message, doorbell, event_message, publication_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.servicebus import records
from AgentOperatingSystem.messaging.servicebus.claims import checked_in, redeemed
from AgentOperatingSystem.messaging.servicebus.mail import arm_of, early, mail_of, message_of, turn_of
from AgentOperatingSystem.messaging.servicebus.publications import deliveries_of, publication_of
from AgentOperatingSystem.messaging.servicebus.records import ARM_SECONDS_MAX, Outgoing, Received, agent_of
from AgentOperatingSystem.orchestration.routes import UNROUTED
from AgentOperatingSystem.storage.memory import MemoryBlobStore
from tests.clocks import ManualClock

NOW = 1_000_000.0
CEO = AgentId("ceo")
LONG = AgentId("ceo", "k" * 200, "acme")


def arrived(outgoing: Outgoing, **fields: Any) -> Received:
    """What the broker makes of it."""
    return Received(
        body=outgoing.body,
        message_id=outgoing.message_id,
        session_id=outgoing.session_id,
        content_type=outgoing.content_type,
        subject=outgoing.subject,
        correlation_id=outgoing.correlation_id,
        application_properties=outgoing.application_properties,
        **fields,
    )


def event(**fields: Any) -> Event:
    said: dict[str, Any] = {"type": "order.created", "source": "/shop", "id": "1", "agent": CEO, "time": 5.0}
    return Event(**(said | fields))


def outside(body: Any = None, session: str = CEO.session, **fields: Any) -> Received:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said: dict[str, Any] = {"body": content, "session_id": session, "message_id": "m1", "enqueued_at": NOW}
    return Received(**(said | fields))


# --- our own messages -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        event_message(event(data={"text": "ü 🙂"}, hops=3, credits=0, crashes=2, generation=1, asks=(CEO.partition,))),
        event_message(event(agent=LONG, tenant="acme"), "f" * 32),
        doorbell(CEO, 99.0, "why", thorough=True),
    ],
)
def test_a_message_comes_as_it_was_sent(message: Message) -> None:
    assert message_of(arrived(mail_of(message, NOW))) == message


def test_the_message_id_and_the_session_are_the_agents() -> None:
    sent = mail_of(event_message(event(agent=LONG, tenant="acme")), NOW)
    assert (sent.message_id, sent.session_id) == (
        event_message(event(agent=LONG, tenant="acme")).id,
        LONG.session,
    )
    assert len(sent.session_id) <= 128
    assert sent.application_properties["type"] == "order.created"


def test_what_is_due_beyond_the_brokers_reach_is_scheduled_in_steps() -> None:
    message = event_message(event(due=NOW + 2.5 * ARM_SECONDS_MAX))
    first = mail_of(message, NOW)
    assert (first.due, first.message_id) == (NOW + ARM_SECONDS_MAX, message.id)
    again = mail_of(message, NOW + ARM_SECONDS_MAX, arm=arm_of(arrived(first)) + 1)
    assert (again.due, again.message_id) == (NOW + 2 * ARM_SECONDS_MAX, f"{message.id}~1")
    last = mail_of(message, NOW + 2 * ARM_SECONDS_MAX, arm=arm_of(arrived(again)) + 1)
    assert (last.due, last.message_id) == (message.due, f"{message.id}~2")
    assert early(turn_of([arrived(last)]), NOW)
    assert not early(turn_of([arrived(last)]), message.due)


def test_a_message_without_a_recipient_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="no recipient"):
        mail_of(publication_message(event(topic="t")), NOW)


def test_a_turn_counts_its_deliveries_from_the_first_message() -> None:
    one, two = event_message(event()), event_message(event(id="2"))
    turn = turn_of([arrived(mail_of(one, NOW), delivery_count=2), arrived(mail_of(two, NOW))])
    assert (turn.agent, turn.messages, turn.receipts, turn.deliveries) == (CEO, (one, two), (one.id, two.id), 3)


def test_a_turn_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="at least one"):
        turn_of([])


@pytest.mark.parametrize("agent", [CEO, AgentId("repo", "octo-org/octo|repo:1"), AgentId("a", "", "t")])
def test_a_session_says_whose_it_is(agent: AgentId) -> None:
    assert agent_of(agent.session) == agent


@pytest.mark.parametrize("session", ["", "ceo", "default|ceo", "default|", LONG.session, "default|c o/", "\x00"])
def test_what_is_no_agents_session_says_nobody(session: str) -> None:
    assert agent_of(session) is None


def test_the_keeper_is_who_keeps_unrouted_events() -> None:
    assert records.KEEPER == UNROUTED


# --- others' messages -----------------------------------------------------------------------------------------------


def test_a_plain_message_wakes_the_agent_of_its_session() -> None:
    found = message_of(outside({"n": 1}, subject="order.paid", correlation_id="c1"))
    assert found.agent == CEO
    assert found.event == Event(
        type="order.paid",
        source="/servicebus/aos-mailbox",
        id="m1",
        data={"n": 1},
        agent=CEO,
        correlation="c1",
        time=NOW,
    )
    assert found.fingerprint


def test_a_plain_message_says_more_in_its_properties() -> None:
    properties = {"type": "t", "source": "/s", "subject": "x", "conversation": "c", "priority": 7}
    found = message_of(outside(b"hello", application_properties=properties)).event
    assert found is not None
    assert (found.type, found.source, found.subject, found.conversation, found.priority) == ("t", "/s", "x", "c", 7)
    assert found.data == "hello"


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_"])
def test_a_cloud_event_in_binary_mode_is_read(prefix: str) -> None:
    attributes = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "order.created", "aospriority": 3}
    properties = {prefix + name: value for name, value in attributes.items()}
    found = message_of(outside({"n": 1}, application_properties=properties, content_type="application/json")).event
    assert found is not None
    assert (found.id, found.source, found.type, found.data, found.priority) == (
        "e1",
        "/shop",
        "order.created",
        {"n": 1},
        3,
    )


def test_a_cloud_event_in_structured_mode_is_read() -> None:
    document = {
        "specversion": "1.0",
        "id": "e1",
        "source": "/shop",
        "type": "t",
        "data": [1],
        "aosagent": LONG.partition,
    }
    structured = "application/cloudevents+json; charset=utf-8"
    found = message_of(outside(document, LONG.session, content_type=structured))
    assert found.agent == LONG
    assert found.event is not None
    assert found.event.data == [1]


def test_an_own_event_travels_as_cloud_event_and_back() -> None:
    sent = event(agent=None, topic="order.created", data={"a": [1, None, "ü"]}, subject="s", credits=0, hops=2, due=7.5)
    properties = publication_of(publication_message(sent), NOW).application_properties
    assert (properties["cloudEvents:specversion"], properties["cloudEvents:aostopic"]) == ("1.0", "order.created")
    back = deliveries_of(arrived(publication_of(publication_message(sent), NOW)), lambda each: [each.to(CEO)])
    assert [each.event for each in back] == [sent.to(CEO)]


@pytest.mark.parametrize(
    ("received", "why"),
    [
        (outside(b"\xff\xfe"), "utf-8"),
        (outside(b"{", content_type="application/json"), "truncated"),
        (outside(b"x", content_type="application/octet-stream"), "an event's data is JSON or text"),
        (outside({}, "ceo"), "session id 'ceo' is no agent's"),
        (outside({}, LONG.session), "longer than 128 characters"),
        (outside([], content_type="application/cloudevents-batch+json"), "one message per event"),
        (outside({"specversion": "1.0"}, content_type="application/cloudevents+json"), "'id' is missing"),
        (outside(b"{}", content_type=records.MESSAGE_TYPE), "missing required field `id`"),
        (outside(mail_of(doorbell(LONG), NOW).body, content_type=records.MESSAGE_TYPE), "whose session id is"),
        (outside(b"", application_properties={"aosblob": "a" * 64}), "is gone"),
        (outside({}, application_properties={"priority": "high"}), "invalid literal"),
        (outside(b"[" * 100_000), "recursion"),
    ],
)
def test_what_cannot_be_read_is_put_aside_with_its_reason(received: Received, why: str) -> None:
    found = turn_of([received]).messages[0]
    assert why in found.aside
    assert found.event is not None
    assert found.event.type == records.UNREADABLE
    assert found.event.agent in (CEO, AgentId(UNROUTED))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Message) == found


def test_what_cannot_be_read_stays_with_the_agent_of_its_turn() -> None:
    good = event_message(event(agent=LONG, tenant="acme"))
    turn = turn_of([outside(b"\xff", LONG.session), arrived(mail_of(good, NOW))])
    assert [each.agent for each in turn.messages] == [LONG, LONG]
    assert turn.messages[0].aside
    assert turn.receipts == tuple(each.id for each in turn.messages)


# --- publications ---------------------------------------------------------------------------------------------------


def test_what_others_publish_goes_to_subscribers_of_its_type_or_where_routes_lead() -> None:
    published = outside({"n": 1}, "", subject="order.paid")
    heard = deliveries_of(published, lambda each: [each.to(CEO)] if each.topic == "order.paid" else [])
    assert [(each.agent, each.kind) for each in heard] == [(CEO, Kind.EVENT)]
    assert heard[0].fingerprint
    routed = deliveries_of(published, lambda each: [], lambda each: each.to(LONG))
    assert [each.agent for each in routed] == [LONG]
    assert [each.agent for each in deliveries_of(published, lambda each: [])] == [AgentId(UNROUTED)]


def test_a_publication_that_names_an_agent_goes_to_it_alone() -> None:
    published = outside({}, "", application_properties={"cloudEvents:" + k: v for k, v in ADDRESSED.items()})
    assert [each.agent for each in deliveries_of(published, lambda each: [each.to(LONG)])] == [CEO]


ADDRESSED = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "aosagent": "ceo"}


def test_an_unreadable_publication_is_kept() -> None:
    found = deliveries_of(outside(b"\xff", ""), lambda each: [])
    assert [(each.agent, "cannot be read" in each.aside) for each in found] == [(AgentId(UNROUTED), True)]


# --- claim check ----------------------------------------------------------------------------------------------------


async def test_a_large_body_lies_in_a_blob() -> None:
    blobs = MemoryBlobStore(ManualClock())
    message = event_message(event(data="x" * 1000))
    light = await checked_in(mail_of(message, NOW), blobs, bytes_max=500)
    assert light.body == b""
    assert message_of(await redeemed(arrived(light), blobs)) == message
    assert await checked_in(mail_of(message, NOW), blobs) == mail_of(message, NOW)


async def test_a_large_publication_tells_its_consumers_where_its_data_is() -> None:
    blobs = MemoryBlobStore(ManualClock())
    published = publication_message(event(agent=None, topic="t", data="x" * 1000))
    light = await checked_in(publication_of(published, NOW), blobs, bytes_max=500)
    assert str(light.application_properties["cloudEvents:dataref"]).startswith("urn:sha256:")
    back = deliveries_of(await redeemed(arrived(light), blobs), lambda each: [each.to(CEO)])
    assert [each.event for each in back] == [published.event.to(CEO) if published.event else None]


async def test_a_body_that_is_gone_is_put_aside() -> None:
    blobs = MemoryBlobStore(ManualClock())
    light = await checked_in(mail_of(event_message(event(data="x" * 1000)), NOW), blobs, bytes_max=500)
    found = message_of(await redeemed(arrived(light), MemoryBlobStore(ManualClock())))
    assert "is gone" in found.aside
