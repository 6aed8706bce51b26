"""Letters as they lie in the queue, and the turn that one of them is."""

import base64

import msgspec
import pytest

from AgentOperatingSystem.events import Kind, Message, encode, publication_message
from AgentOperatingSystem.messaging.azure.letters import (
    KEEPER,
    UNREADABLE,
    Letter,
    Received,
    letter_of,
    message_in,
    turn_of,
    unwrapped,
    written,
)
from AgentOperatingSystem.messaging.cloudevents import to_structured
from tests.contract.samples import event, message

PLACE = "aos-mailbox"


def test_a_letter_comes_back_as_it_was_written() -> None:
    sent = Letter(message=message("1", data={"text": "ü 🙂 <&>\x00"}), crashes=2, known=3)
    text = written(sent)
    assert text.isascii()
    assert letter_of(Received(unwrapped(text)), PLACE) == sent


def test_a_queue_message_is_a_turn_of_its_own() -> None:
    sent = message("1")
    turn = turn_of(Received(unwrapped(written(Letter(message=sent))), "q1", 3), PLACE)
    assert (turn.agent, turn.messages, turn.receipts, turn.deliveries) == (sent.agent, (sent,), (sent.id,), 3)


def test_a_body_in_a_blob_is_read_from_there_and_missed_where_it_is_gone() -> None:
    sent = message("1", data="x" * 100_000)
    received = Received(unwrapped(written(Letter(blob="b1"))), "q1")
    assert letter_of(received, PLACE).blob == "b1"
    assert turn_of(received, PLACE, encode(sent)).messages == (sent,)
    assert "blob 'b1', is gone" in turn_of(received, PLACE).messages[0].aside
    assert message_in(b"{", received, PLACE).aside


def test_a_cloud_event_of_others_is_read_in_either_encoding() -> None:
    document = to_structured(event("e1", data={"a": 1}))
    for text in (document.decode(), base64.b64encode(document).decode()):
        turn = turn_of(Received(unwrapped(text)), PLACE)
        assert turn.messages[0].event == event("e1", data={"a": 1})
        assert turn.messages[0].fingerprint


def test_a_cloud_event_for_nobody_goes_to_who_routes_it() -> None:
    document = msgspec.json.decode(to_structured(event("e1")), type=dict[str, object])
    del document["aosagent"]
    turn = turn_of(Received(encode(document)), PLACE)
    assert (turn.agent.name, turn.messages[0].aside) == (KEEPER, "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"hello",
        b'{"aos":"letter"}',
        b'{"aos":"letter","message":{"id":"1"}}',
        b"[" * 5000,
        b'{"specversion":"1.0"}',
        encode({"aos": "letter", "message": msgspec.to_builtins(publication_message(event("1", topic="t")))}),
    ],
)
def test_what_nobody_can_read_goes_to_the_quarantine(body: bytes) -> None:
    turn = turn_of(Received(body, "q7"), PLACE)
    assert turn.agent.name == KEEPER
    first: Message = turn.messages[0]
    assert first.event is not None
    assert (first.kind, first.event.type, first.event.id) == (Kind.EVENT, UNREADABLE, "q7")
    assert "queue message 'q7' of aos-mailbox cannot be read" in first.aside
