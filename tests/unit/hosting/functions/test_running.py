"""What the SDK hands over for a message of Service Bus, and patience while the store is away."""

from datetime import datetime

import pytest
from azure.functions.servicebus import ServiceBusMessage

from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.errors import InvalidEvent, StoreUnavailable
from AgentOperatingSystem.hosting.functions.running import patient, received_of
from AgentOperatingSystem.messaging.servicebus.records import Received


def test_everything_that_the_bus_reads_of_a_message_is_taken_over() -> None:
    properties = {"n": 1, "DeadLetterReason": "why", "DeadLetterErrorDescription": "more"}
    message = ServiceBusMessage(
        body=b"body",
        message_id="m",
        session_id="default|desk/",
        content_type="application/json",
        subject="subject",
        correlation_id="c",
        application_properties=properties,
        user_properties={"n": 2},
        delivery_count=3,
        sequence_number=7,
        enqueued_time_utc=datetime(2026, 11, 20, 12),
    )
    assert received_of(message) == Received(
        body=b"body",
        message_id="m",
        session_id="default|desk/",
        content_type="application/json",
        subject="subject",
        correlation_id="c",
        application_properties=properties,
        delivery_count=2,
        sequence_number=7,
        enqueued_at=1_795_176_000.0,
        dead_letter_reason="why",
        dead_letter_description="more",
    )


@pytest.mark.virtual_time
@pytest.mark.parametrize(("deliveries", "seconds"), [(0, 1), (3, 8), (50, 60)])
async def test_an_outage_does_not_use_up_the_deliveries(deliveries: int, seconds: float) -> None:
    clock = LoopClock()
    begun = clock.now()
    with pytest.raises(StoreUnavailable):
        async with patient(clock, deliveries):
            raise StoreUnavailable("away")
    assert clock.now() - begun == pytest.approx(seconds, abs=0.01)


@pytest.mark.virtual_time
async def test_what_no_waiting_would_help_is_not_waited_for() -> None:
    clock = LoopClock()
    begun = clock.now()
    with pytest.raises(InvalidEvent):
        async with patient(clock, 5):
            raise InvalidEvent("never")
    assert clock.now() == pytest.approx(begun, abs=0.01)
