"""Which store and which broker a configuration names."""

from pathlib import Path

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.engines import Engines, bus_of, store_of
from AgentOperatingSystem.errors import ConfigurationError

ACCOUNT = "https://account.blob.core.windows.net"
NAMESPACE = "name.servicebus.windows.net"
DATABASE = "postgresql://user@127.0.0.1/aos"


@pytest.mark.parametrize(
    ("settings", "store", "bus"),
    [
        ({}, "embedded", "embedded"),
        ({"storage_account_url": ACCOUNT}, "azure", "storage_queue"),
        ({"storage_account_url": ACCOUNT, "bus": "embedded"}, "azure", "embedded"),
        (
            {"storage_account_url": ACCOUNT, "servicebus_fully_qualified_namespace": NAMESPACE},
            "azure",
            "servicebus",
        ),
        ({"servicebus_fully_qualified_namespace": NAMESPACE}, "embedded", "servicebus"),
        ({"servicebus_fully_qualified_namespace": NAMESPACE, "bus": "embedded"}, "embedded", "embedded"),
        ({"database_url": DATABASE}, "postgres", "postgres"),
        ({"database_url": DATABASE, "storage_account_url": ACCOUNT, "store": "postgres"}, "postgres", "postgres"),
        ({"database_url": DATABASE, "store": "embedded"}, "embedded", "embedded"),
    ],
)
def test_what_is_configured_is_taken(settings: dict[str, str], store: str, bus: str) -> None:
    config = AOSConfig(**settings)
    assert (store_of(config), bus_of(config)) == (store, bus)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"database_url": DATABASE, "storage_account_url": ACCOUNT}, "let store say which keeps state"),
        ({"store": "azure"}, "set storage_connection_string or storage_account_url"),
        ({"store": "postgres"}, "set database_url"),
        ({"bus": "servicebus"}, "set servicebus_connection_string or servicebus_fully_qualified_namespace"),
        ({"bus": "storage_queue"}, "the store 'embedded' goes with embedded, servicebus"),
        ({"database_url": DATABASE, "servicebus_fully_qualified_namespace": NAMESPACE}, "set bus to 'postgres'"),
        ({"database_url": DATABASE, "bus": "embedded"}, "the store 'postgres' goes with postgres"),
    ],
)
def test_what_does_not_go_together_is_said(settings: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        bus_of(AOSConfig(**settings))


async def test_everything_is_closed_and_can_be_opened_again(tmp_path: Path) -> None:
    for _ in range(2):
        engines = Engines(AOSConfig(data_dir=tmp_path), SystemClock(), lambda event: ())
        opened = await engines.open()
        await opened.close()
        await opened.close()
