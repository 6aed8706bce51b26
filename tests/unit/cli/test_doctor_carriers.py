"""What the doctor finds about databases, storage accounts and brokers, well and ill."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from AgentOperatingSystem.cli.doctor import carriers
from AgentOperatingSystem.cli.doctor.findings import FAULT, OK, Finding
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus
from tests import postgres
from tests.emulator import emulator, fresh_prefix
from tests.servicebus_bus import mailboxes
from tests.unit.cli.conftest import Aos, Loopback


def only(config: AOSConfig) -> Finding:
    (found,) = carriers.checks(config)
    return found


def test_a_data_folder_alone_has_nothing_to_be_looked_at(bare: Path) -> None:
    assert list(carriers.checks(AOSConfig())) == []


def test_settings_that_do_not_go_together_are_a_fault(bare: Path) -> None:
    found = only(AOSConfig(store="azure"))
    assert (found.name, found.status) == ("store and bus", FAULT)


def test_a_database_before_its_first_start_and_after(bare: Path) -> None:
    schema = postgres.schema_of(bare)
    config = AOSConfig(database_url=postgres.server().url, database_schema=schema)
    found = only(config)
    assert (found.name, found.status) == ("postgresql", OK)
    assert found.detail.endswith(f"answers; the first start makes the tables in schema {schema}")
    assert postgres.query(f"SELECT to_regnamespace('{schema}') IS NULL") == "t"
    postgres.query(f"CREATE SCHEMA {schema}; CREATE TABLE {schema}.meta (name text, value text)")
    postgres.query(f"INSERT INTO {schema}.meta VALUES ('version', '1')")
    assert only(config).detail.endswith(f"the tables in schema {schema} are of version 1")
    postgres.query(f"UPDATE {schema}.meta SET value = '999'")
    assert only(config).status == FAULT


def test_a_database_that_is_not_there_is_a_fault_without_the_password(bare: Path) -> None:
    found = only(AOSConfig(database_url="postgresql://aos:canary-password@127.0.0.1:1/x"))
    assert found.status == FAULT
    assert "canary" not in found.detail + found.advice
    absent = postgres.server().url.replace("/postgres", "/absent")
    assert 'database "absent" does not exist' in only(AOSConfig(database_url=absent)).detail


def test_a_storage_account_is_looked_at_and_left_as_it_is(bare: Path) -> None:
    config = AOSConfig(storage_connection_string=emulator().connection_string, storage_table=fresh_prefix())
    for _ in range(2):
        found = only(config)
        assert (found.name, found.status) == ("storage account", OK)
        assert "the first start makes what is not there yet" in found.detail


def test_a_storage_account_that_refuses_the_key_is_a_fault(bare: Path) -> None:
    wrong = re.sub("AccountKey=[^;]+", "AccountKey=Y2FuYXJ5", emulator().connection_string)
    found = only(AOSConfig(storage_connection_string=wrong))
    assert (found.status, "refuses this host" in found.detail) == (FAULT, True)
    assert found.advice == "give the identity what is missing; it counts after some minutes"
    assert "Y2FuYXJ5" not in found.detail


@contextmanager
def namespace() -> Iterator[LocalServiceBus]:
    """A local Service Bus beside this thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = LocalServiceBus(mailboxes(), now_seconds=time.time, keys={"RootManageSharedAccessKey": "the-right-key"})
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_a_namespace_lets_in_who_has_the_key_and_has_the_entities(bare: Path) -> None:
    with namespace() as server:
        text = server.connection_string()
        found = only(AOSConfig(servicebus_connection_string=text))
        assert (found.name, found.status) == ("service bus", OK)
        assert found.detail.startswith("this host may send to aos-mailbox and aos-events, and receive from aos-events/")
        absent = only(AOSConfig(servicebus_connection_string=text, servicebus_queue="absent"))
        assert (absent.status, absent.detail.partition(":")[0]) == (FAULT, "absent")
        wrong = only(AOSConfig(servicebus_connection_string=text.replace("the-right-key", "canary-key")))
        assert (wrong.status, "is out of date" in wrong.detail) == (FAULT, True)
        assert "canary" not in wrong.detail


def test_the_missing_role_of_a_system_elsewhere_is_said(loopback: Loopback, aos: Aos) -> None:
    told = "the host's identity needs the role 'X' on the key vault desk: az role assignment create --role 1"
    loopback.says(200, b'{"status": "live"}')
    body = json.dumps({"code": "store-unavailable", "detail": told}).encode()
    loopback.says(503, body, "application/problem+json")
    findings = json.loads(aos("doctor", "--json", "--url", loopback.url).out)["findings"]
    found = next(finding for finding in findings if finding["name"] == "ready")
    assert (found["status"], found["detail"]) == (FAULT, told)
    assert found["advice"].startswith("give the identity what is missing")
