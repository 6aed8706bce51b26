"""Opening an account: what is made, what is refused, and what the package loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError, StoreUnavailable
from AgentOperatingSystem.storage.azure import opened
from AgentOperatingSystem.storage.azure.account import Account, endpoint_of
from AgentOperatingSystem.storage.azure.calls import Calls
from tests.clocks import ManualClock
from tests.contract.samples import COUNTER, Writer
from tests.emulator import emulator
from tests.key_vault import Identity


async def test_an_account_is_opened_and_what_is_missing_in_it_made_once(tmp_path: Path) -> None:
    config = AOSConfig(config_dir=tmp_path, storage_connection_string=emulator().connection_string)
    for _ in range(2):
        stores = await opened(config, ManualClock())
        await stores.store.erase(COUNTER)
        await Writer(stores.store).commit()
        assert await stores.blobs.get(await stores.blobs.put(b"x")) == b"x"
        assert await stores.collect(60.0) == 0
        await stores.store.close()


async def test_nothing_named_is_nothing_opened(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="set storage_connection_string or storage_account_url"):
        await opened(AOSConfig(config_dir=tmp_path), ManualClock())


async def test_an_account_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    text = emulator().connection_string.replace(emulator().table, "http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="table aos"):
        await opened(AOSConfig(config_dir=tmp_path, storage_connection_string=text), ManualClock())


# azure-data-tables asks an error's elements whether they are true, which Python 3.12 and newer warn of
@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")
async def test_a_wrong_key_says_what_to_do(tmp_path: Path) -> None:
    text = emulator().connection_string.replace("AccountKey=E", "AccountKey=F")
    with pytest.raises(StoreUnavailable, match="Storage Table Data Contributor"):
        await opened(AOSConfig(config_dir=tmp_path, storage_connection_string=text), ManualClock())


async def test_an_identity_needs_an_endpoint_that_names_its_service() -> None:
    for service in ("blob", "table"):
        for given in ("blob", "queue", "table", "dfs"):
            url = f"https://acme.{given}.core.windows.net"
            assert endpoint_of(url, service) == f"https://acme.{service}.core.windows.net"
    with pytest.raises(ConfigurationError, match="for an emulator use storage_connection_string"):
        endpoint_of("http://127.0.0.1:10000/devstoreaccount1", "table")
    account = Account.by_identity("https://acme.blob.core.windows.net", Calls(ManualClock()), Identity())
    assert account.table.name == "aos"
    await account.close()


def test_naming_the_package_loads_no_sdk() -> None:
    code = (
        "import sys, AgentOperatingSystem.storage.azure;"
        "print([name for name in sys.modules if name.split('.')[0] in ('azure', 'aiohttp', 'msal')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
