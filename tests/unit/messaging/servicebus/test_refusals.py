"""A namespace that does not let this host in: what is to be done."""

import re
import time

import pytest
from azure.servicebus.exceptions import ServiceBusAuthorizationError

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager, _reached
from tests.key_vault import Identity
from tests.servicebus_bus import mailboxes

SENDER, RECEIVER = "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"


async def test_an_identity_is_told_roles_scope_and_commands() -> None:
    manager = ServiceBusManager(namespace="desk.servicebus.windows.net", credential=Identity())
    with pytest.raises(StoreUnavailable) as refused:
        async with _reached("aos-mailbox", manager._opened):
            raise ServiceBusAuthorizationError(message="Unauthorized access. 'Send' claim(s) are required")
    await manager.close()
    told = str(refused.value)
    assert told.startswith("aos-mailbox: Service Bus refuses this host: Unauthorized access.")
    assert "on the Service Bus namespace desk" in told
    for role in (SENDER, RECEIVER):
        assert f'az role assignment create --role {role} --assignee "{Identity.client_id}"' in told


async def test_a_wrong_key_is_told_that_it_is_and_no_role() -> None:
    server = LocalServiceBus(mailboxes(), now_seconds=time.time, keys={"RootManageSharedAccessKey": "the-right-key"})
    await server.start()
    wrong = re.sub("SharedAccessKey=[^;]+", "SharedAccessKey=canary-of-a-wrong-key", server.connection_string())
    manager = ServiceBusManager(wrong, retries=0)
    try:
        with pytest.raises(StoreUnavailable, match="servicebus_connection_string is out of date") as refused:
            await manager.send("aos-mailbox", ())
        assert "az role" not in str(refused.value)
        assert "canary" not in str(refused.value)
    finally:
        await manager.close()
        await server.stop()


async def test_a_key_that_was_exchanged_is_taken_without_a_restart() -> None:
    keys = {"RootManageSharedAccessKey": "the-right-key"}
    server = LocalServiceBus(mailboxes(), now_seconds=time.time, keys=keys)
    await server.start()
    right = server.connection_string()
    current = [re.sub("SharedAccessKey=[^;]+", "SharedAccessKey=the-key-of-last-week", right)]
    manager = ServiceBusManager(lambda: current[0], retries=0)
    try:
        with pytest.raises(StoreUnavailable, match="out of date"):
            await manager.send("aos-mailbox", ())
        current[0] = right
        await manager.send("aos-mailbox", ())
    finally:
        await manager.close()
        await server.stop()
