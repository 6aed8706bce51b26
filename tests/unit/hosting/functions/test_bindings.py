"""Which triggers there are follows the configuration, and where they connect to as well."""

from typing import Any

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.functions.bindings import Bindings, bindings

STORAGE = "UseDevelopmentStorage=true"
BUS = "Endpoint=sb://name.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey=c2VjcmV0a2V5"


def made(**settings: Any) -> Bindings:
    return bindings(AOSConfig(**settings))


def test_without_a_broker_that_pushes_there_are_http_and_a_timer() -> None:
    on = made()
    assert (on.has_servicebus, on.has_storage_queue, on.has_event_grid) == (False, False, False)
    assert on.pulse_schedule == "0 */5 * * * *"


def test_a_storage_account_s_queue_pushes_where_no_service_bus_does() -> None:
    on = made(storage_connection_string=STORAGE, storage_queue="desk-mailbox", functions_event_grid=True)
    assert (on.has_servicebus, on.has_storage_queue, on.has_event_grid) == (False, True, True)
    assert on.queue == "desk-mailbox"


def test_service_bus_has_the_names_that_are_configured() -> None:
    on = made(
        storage_connection_string=STORAGE,
        servicebus_connection_string=BUS,
        servicebus_queue="q",
        servicebus_topic="t",
        servicebus_router_subscription="r",
    )
    assert (on.has_servicebus, on.has_storage_queue) == (True, False)
    assert (on.queue, on.topic, on.subscription) == ("q", "t", "r")


@pytest.mark.parametrize("variable", ["AOS_SERVICEBUS_CONNECTION_STRING", "AZURE_SERVICEBUS_CONNECTION_STRING"])
def test_triggers_use_the_variable_that_configures_the_system(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, BUS)
    assert made(storage_connection_string=STORAGE).connection == variable


@pytest.mark.parametrize(
    ("settings", "connection"),
    [
        ({"servicebus_fully_qualified_namespace": "name.servicebus.windows.net"}, "ServiceBusConnection"),
        ({"servicebus_connection_string": BUS, "functions_servicebus_connection": "Mine"}, "Mine"),
        ({}, "AzureWebJobsStorage"),
        ({"functions_storage_connection": "Mine"}, "Mine"),
    ],
)
def test_else_the_platform_s_usual_name_or_the_one_that_is_set(settings: dict[str, str], connection: str) -> None:
    assert made(storage_connection_string=STORAGE, **settings).connection == connection
