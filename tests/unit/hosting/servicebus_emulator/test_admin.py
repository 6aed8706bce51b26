"""Administration, asked by the vendor's own client over HTTPS, and by hand over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.servicebus import ServiceBusMessage, TransportType
from azure.servicebus.aio import ServiceBusClient
from azure.servicebus.aio.management import ServiceBusAdministrationClient
from azure.servicebus.exceptions import (
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
)
from azure.servicebus.management import (
    AccessRights,
    AuthorizationRule,
    CorrelationRuleFilter,
    EntityStatus,
    FalseRuleFilter,
    SqlRuleAction,
    SqlRuleFilter,
    TrueRuleFilter,
)

from AgentOperatingSystem.hosting.servicebus_emulator import certificate
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.hosting.servicebus_emulator.settings import AccessKey, NamespaceSettings, QueueSettings

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # azure-servicebus asks rules' elements whether they are true, which Python 3.12 and newer warn of
    pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning"),
]

ROOT = AccessKey(name="root", key="secret")
READER = AccessKey(name="reader", key="other", rights=frozenset({"Listen"}))


@dataclass
class Office:
    """A server with keys and a certificate, and who may do everything there."""

    bus: LocalServiceBus
    pem: Path
    admin: ServiceBusAdministrationClient

    def client(self, key: AccessKey = ROOT, **more: Any) -> ServiceBusClient:
        text = f"Endpoint=sb://localhost:{self.bus.port};SharedAccessKeyName={key.name};SharedAccessKey={key.key}"
        return ServiceBusClient.from_connection_string(f"{text};UseDevelopmentEmulator=true;", retry_total=0, **more)

    def administered(self, key: AccessKey) -> ServiceBusAdministrationClient:
        return _administered(self.bus, self.pem, key)

    async def send(self, *texts: str, to: str, **more: Any) -> None:
        async with self.client() as client, client.get_queue_sender(to) as sender:
            await sender.send_messages([ServiceBusMessage(text, **more) for text in texts])


def _administered(bus: LocalServiceBus, pem: Path, key: AccessKey) -> ServiceBusAdministrationClient:
    text = f"Endpoint=sb://localhost:{bus.admin_port};SharedAccessKeyName={key.name};SharedAccessKey={key.key}"
    return ServiceBusAdministrationClient.from_connection_string(text, connection_verify=str(pem), retry_total=0)


@asynccontextmanager
async def opened(folder: Path, data_dir: Path | None = None) -> AsyncIterator[Office]:
    pem, key = certificate.own(folder, datetime.now(UTC))
    settings = NamespaceSettings(queues=(QueueSettings(name="declared"),))
    bus = LocalServiceBus(settings, now_seconds=time.time, keys=(ROOT, READER), data_dir=data_dir)
    await bus.start(admin_port=0, tls=certificate.context(pem, key), tls_port=0)
    admin = _administered(bus, pem, ROOT)
    try:
        yield Office(bus, pem, admin)
    finally:
        await admin.close()
        await bus.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    async with opened(tmp_path_factory.mktemp("tls")) as found:
        yield found


async def test_a_queue_is_made_read_changed_listed_and_deleted(office: Office) -> None:
    made = await office.admin.create_queue("orders/a.b", lock_duration="PT13S", max_delivery_count=7)
    assert (made.name, made.lock_duration, made.max_delivery_count) == ("orders/a.b", timedelta(seconds=13), 7)
    made.lock_duration = timedelta(minutes=2)
    made.user_metadata = "for <tests> & more"
    await office.admin.update_queue(made, forward_to="declared")
    found: Any = await office.admin.get_queue("ORDERS/a.b")
    assert (found.lock_duration, found.user_metadata) == (timedelta(minutes=2), "for <tests> & more")
    assert found.forward_to.endswith("/declared")
    assert [each.name async for each in office.admin.list_queues()] == ["declared", "orders/a.b"]
    await office.admin.delete_queue("orders/a.b")
    with pytest.raises(ResourceNotFoundError):
        await office.admin.get_queue("orders/a.b")


async def test_what_cannot_be_is_refused_as_the_sdk_expects(office: Office) -> None:
    await office.admin.create_queue("once")
    with pytest.raises(ResourceExistsError):
        await office.admin.create_queue("once")
    with pytest.raises(ResourceNotFoundError):
        await office.admin.delete_queue("nowhere")
    with pytest.raises(ResourceNotFoundError):
        await office.admin.create_subscription("nowhere", "s")
    for wrong in ({"lock_duration": "PT10M"}, {"forward_to": "nowhere"}, {"max_delivery_count": 0}):
        with pytest.raises(HttpResponseError):
            await office.admin.create_queue("never", **wrong)
    queue = await office.admin.get_queue("once")
    queue.requires_session = True
    with pytest.raises(HttpResponseError, match="cannot be changed"):
        await office.admin.update_queue(queue)


async def test_figures_say_how_many_messages_are_where(office: Office) -> None:
    await office.admin.create_queue("counted")
    await office.send("a", "b", "c", to="counted")
    await office.send("later", to="counted", scheduled_enqueue_time_utc=datetime.now(UTC) + timedelta(hours=1))
    async with office.client() as client, client.get_queue_receiver("counted") as receiver:
        (message,) = await receiver.receive_messages(max_message_count=1, max_wait_time=5)
        await receiver.dead_letter_message(message)
    found: Any = await office.admin.get_queue_runtime_properties("counted")
    counts = (found.active_message_count, found.dead_letter_message_count, found.scheduled_message_count)
    assert (*counts, found.total_message_count) == (2, 1, 1, 4)
    assert found.size_in_bytes > 0


async def test_rules_are_made_and_route_at_once(office: Office) -> None:
    await office.admin.create_topic("events")
    await office.admin.create_subscription("events", "dear")
    await office.admin.delete_rule("events", "dear", "$Default")
    sql = SqlRuleFilter("price > @least", parameters={"@least": 100})
    action = SqlRuleAction("SET at = @now", parameters={"@now": datetime(2026, 1, 2, 3, 4, 5)})
    await office.admin.create_rule("events", "dear", "high", filter=sql, action=action)
    days = CorrelationRuleFilter(label="x", properties={"n": 1, "on": False, "for": timedelta(days=1)})
    await office.admin.create_rule("events", "dear", "labelled", filter=days)
    await office.admin.create_rule("events", "dear", "never", filter=FalseRuleFilter())
    found: list[Any] = [each async for each in office.admin.list_rules("events", "dear")]
    assert [each.name for each in found] == ["high", "labelled", "never"]
    assert found[0].filter.parameters == {"@least": 100}
    assert found[0].action.parameters == {"@now": datetime(2026, 1, 2, 3, 4, 5)}
    assert found[1].filter.properties == {"n": 1, "on": False, "for": timedelta(days=1)}
    async with office.client() as client, client.get_topic_sender("events") as sender:
        await sender.send_messages(
            [ServiceBusMessage(str(price), application_properties={"price": price}) for price in (50, 150)]
        )
        async with client.get_subscription_receiver("events", "dear") as receiver:
            (message,) = await receiver.receive_messages(max_message_count=5, max_wait_time=5)
    properties: Any = message.application_properties
    assert (str(message), properties[b"at"]) == ("150", 1767323045000)
    runtime = await office.admin.get_topic_runtime_properties("events")
    counts = (runtime.subscription_count, runtime.sql_filter_count, runtime.correlation_filter_count)
    assert counts == (1, 2, 1)


async def test_a_new_subscription_takes_everything(office: Office) -> None:
    await office.admin.create_topic("all")
    await office.admin.create_subscription("all", "s", requires_session=True)
    (rule,) = [each async for each in office.admin.list_rules("all", "s")]
    assert (rule.name, type(rule.filter)) == ("$Default", TrueRuleFilter)
    with pytest.raises(ResourceExistsError):
        await office.admin.create_rule("all", "s", "$Default")
    with pytest.raises(HttpResponseError, match="ends too early"):
        await office.admin.create_rule("all", "s", "broken", filter=SqlRuleFilter("a = ("))
    assert (await office.admin.get_subscription("all", "s")).requires_session
    await office.admin.delete_topic("all")
    with pytest.raises(ResourceNotFoundError):
        await office.admin.get_subscription("all", "s")


async def test_lists_come_in_pages(office: Office) -> None:
    await office.admin.create_topic("wide")
    names = [f"s{number:03}" for number in range(101)]
    for name in names:
        await office.admin.create_subscription("wide", name)
    assert [each.name async for each in office.admin.list_subscriptions("wide")] == names


async def test_keys_say_who_may_what(office: Office) -> None:
    for stranger in (AccessKey(name="root", key="wrong"), AccessKey(name="nobody", key="x"), READER):
        refused = office.administered(stranger)
        with pytest.raises(ClientAuthenticationError):
            await refused.get_namespace_properties()
        await refused.close()
    async with office.client(READER) as client:
        async with client.get_queue_receiver("declared") as receiver:
            assert await receiver.peek_messages() == []
        with pytest.raises(ServiceBusAuthorizationError):
            async with client.get_queue_sender("declared"):
                pass
    assert (await office.admin.get_namespace_properties()).messaging_sku == "Standard"


async def test_a_key_of_a_queue_opens_that_queue_alone(office: Office) -> None:
    key = AccessKey(name="own", key="its-key")
    rule = AuthorizationRule(
        type="SharedAccessAuthorizationRule", key_name=key.name, rights=[AccessRights.SEND], primary_key=key.key
    )
    made = await office.admin.create_queue("locked", authorization_rules=[rule])
    assert [each.key_name for each in made.authorization_rules or []] == ["own"]
    async with office.client(key) as client:
        async with client.get_queue_sender("locked") as sender:
            await sender.send_messages(ServiceBusMessage("x"))
        with pytest.raises(ServiceBusAuthenticationError):
            async with client.get_queue_sender("declared"):
                pass


async def test_whoever_is_attached_hears_that_the_entity_is_gone_or_closed(office: Office) -> None:
    queue = await office.admin.create_queue("going")
    async with office.client() as client:
        receiver = client.get_queue_receiver("going")
        async with receiver:
            waits = asyncio.create_task(receiver.receive_messages(max_wait_time=20))
            await asyncio.sleep(0.2)
            queue.status = EntityStatus.SEND_DISABLED
            await office.admin.update_queue(queue)
            with pytest.raises(MessagingEntityDisabledError):
                async with client.get_queue_sender("going"):
                    pass
            await office.admin.delete_queue("going")
            with pytest.raises(MessagingEntityNotFoundError):
                await waits


async def test_what_was_made_outlives_a_restart_and_what_was_deleted_does_not(tmp_path: Path) -> None:
    async with opened(tmp_path, tmp_path) as office:
        await office.admin.create_queue("kept", max_delivery_count=4)
        await office.admin.create_queue("gone")
        await office.send("old", to="gone")
        await office.admin.delete_queue("gone")
        await office.admin.create_topic("topic")
        await office.admin.create_subscription("topic", "Sub")
        await office.admin.create_rule("topic", "Sub", "r", filter=SqlRuleFilter("a = @b", parameters={"@b": "c"}))
        await office.send("here", to="kept")
    async with opened(tmp_path, tmp_path) as office:
        assert (await office.admin.get_queue("kept")).max_delivery_count == 4
        assert (await office.admin.get_queue_runtime_properties("kept")).active_message_count == 1
        rules = [each async for each in office.admin.list_rules("topic", "Sub")]
        assert [each.name for each in rules] == ["$Default", "r"]
        await office.admin.create_queue("gone")
        assert (await office.admin.get_queue_runtime_properties("gone")).total_message_count == 0


async def test_health_and_what_is_no_request(office: Office) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{office.bus.url()}/health") as answer:
            assert (answer.status, await answer.json()) == (
                200,
                {"status": "healthy", "message": "Service is healthy."},
            )
        async with http.get(f"{office.bus.url()}/$Resources/queues") as answer:
            assert (answer.status, "no shared access signature" in await answer.text()) == (401, True)
    reader, writer = await asyncio.open_connection("127.0.0.1", office.bus.admin_port)
    writer.write(b"what?\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


@pytest.mark.parametrize("transport", list(TransportType))
async def test_messages_over_tls_and_web_sockets(office: Office, transport: TransportType) -> None:
    port = office.bus.admin_port if transport is TransportType.AmqpOverWebsocket else office.bus.tls_port
    text = f"Endpoint=sb://localhost;SharedAccessKeyName={ROOT.name};SharedAccessKey={ROOT.key}"
    client = ServiceBusClient.from_connection_string(
        text,
        transport_type=transport,
        custom_endpoint_address=f"sb://localhost:{port}",
        connection_verify=str(office.pem),
        retry_total=0,
    )
    body = transport.name * 10_000
    async with client:
        async with client.get_queue_sender("declared") as sender:
            await sender.send_messages(ServiceBusMessage(body))
        async with client.get_queue_receiver("declared") as receiver:
            (message,) = await receiver.receive_messages(max_wait_time=5)
            await receiver.complete_message(message)
    assert str(message) == body
