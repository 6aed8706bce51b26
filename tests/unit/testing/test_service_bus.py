"""The fixture `local_service_bus`, used as users use it."""

import json
import subprocess
import sys
import urllib.request

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient as AsyncClient

from AgentOperatingSystem.testing import ServiceBusOfATest
from AgentOperatingSystem.testing import local_service_bus as local_service_bus

SHOW = "import sys, AgentOperatingSystem.testing.service_bus; print(*sys.modules)"


def test_a_synchronous_test_sends_and_moves_the_clock(local_service_bus: ServiceBusOfATest) -> None:
    local_service_bus.queue("orders", lock_seconds=30, max_delivery_count=2)
    with ServiceBusClient.from_connection_string(local_service_bus.connection_string) as client:
        with client.get_queue_sender("orders") as sender:
            sender.send_messages(ServiceBusMessage("one"))
        with client.get_queue_receiver("orders") as receiver:
            (message,) = receiver.receive_messages(max_wait_time=5)
            local_service_bus.later(31)
            (again,) = receiver.receive_messages(max_wait_time=5)
            receiver.complete_message(again)
    assert (str(message), message.delivery_count, again.delivery_count) == ("one", 0, 1)


async def test_an_asynchronous_test_publishes(local_service_bus: ServiceBusOfATest) -> None:
    local_service_bus.topic("events", everything=None, dear="price > 10")
    async with AsyncClient.from_connection_string(local_service_bus.connection_string) as client:
        async with client.get_topic_sender("events") as sender:
            await sender.send_messages(
                [ServiceBusMessage("a", application_properties={"price": price}) for price in (5, 50)]
            )
        for name, count in (("everything", 2), ("dear", 1)):
            async with client.get_subscription_receiver("events", name) as receiver:
                assert len(await receiver.receive_messages(max_message_count=9, max_wait_time=5)) == count


def test_its_health_is_seen(local_service_bus: ServiceBusOfATest) -> None:
    with urllib.request.urlopen(f"{local_service_bus.admin_url}/health") as answer:
        assert json.load(answer)["status"] == "healthy"


def test_it_says_when_it_does_not_run() -> None:
    with pytest.raises(RuntimeError, match="while its test runs"):
        _ = ServiceBusOfATest().connection_string


def test_the_emulator_is_imported_with_the_first_test_alone() -> None:
    ran = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, timeout=60, check=True)
    assert not [name for name in ran.stdout.split() if "servicebus_emulator" in name or name.startswith("azure")]
