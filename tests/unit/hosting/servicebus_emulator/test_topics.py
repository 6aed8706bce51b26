"""Topics and their subscriptions, asked by the vendor's SDK over loopback."""

import asyncio

from azure.servicebus import ServiceBusMessage

from tests.servicebus import Desk, received, texts


async def test_each_subscription_gets_what_its_rules_say() -> None:
    async with Desk.opened() as desk:
        sender = await desk.sender("events")
        every, orders, dear = await asyncio.gather(
            *(desk.receiver(f"events/{name}") for name in ("all", "orders", "dear"))
        )
        await sender.send_messages(
            [
                ServiceBusMessage("cheap", subject="order", application_properties={"n": 1, "price": 5}),
                ServiceBusMessage("dear", subject="order", application_properties={"n": 2, "price": 500.5}),
                ServiceBusMessage("news", subject="news", application_properties={"price": 500}),
                ServiceBusMessage("plain"),
            ]
        )
        assert await texts(every) == ["cheap", "dear", "news", "plain"]
        assert await texts(orders) == ["cheap"]
        (message,) = await received(dear)
        assert str(message) == "dear"
        assert message.subject == "dear"
        assert message.application_properties == {b"price": 500.5, b"seen": b"yes"}
