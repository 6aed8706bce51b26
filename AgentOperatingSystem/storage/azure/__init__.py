"""Storage on Azure: agents in a table, large values in blobs. The SDKs are imported when a store is opened.

keys, packing     names and sizes: pure
hints, recent     small entities that say where something may be, and which of them are about to be void
drafts            a change as one transaction: pure
calls, transport  the SDKs' errors in our words, and whether to ask again; HTTP
table, overflow   one table, and blobs for what it has no room for
commit            sends a transaction until it is known what became of it
lists, unlisting  reads them back, and takes off a list what is not on it any more
store, blobs      the ports
containers        what lies in a container, with times
account, rekeying the clients, and new keys for them
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from pydantic import SecretStr

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import LiveSecret, renewed
from AgentOperatingSystem.errors import ConfigurationError, Unavailable
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore


class Opened(NamedTuple):
    """The stores of one account."""

    store: AgentStore
    """Closing it closes the blobs too."""
    blobs: BlobStore
    collect: Callable[[float], Awaitable[int]]
    """For the host's housekeeping: deletes the store's own blobs that no row points at and that are older than so many
    seconds, which must be above the time that a commit may take; answers how many are gone.
    """


async def opened(config: AOSConfig, clock: Clock, credential: Any = None) -> Opened:
    """The stores of the account that the configuration names, with table and containers made where they are missing;
    `credential` is the host's identity, for an account that is named by its URL alone.

    Raises `ConfigurationError` where it names none or the extra `azure` is not installed, `StoreUnavailable` where the
    account cannot be reached.
    """
    try:
        from AgentOperatingSystem.storage.azure.account import Account
        from AgentOperatingSystem.storage.azure.calls import Calls
        from AgentOperatingSystem.storage.azure.store import AzureAgentStore
    except ImportError as error:
        raise ConfigurationError(
            f"storage on Azure needs the package {error.name}: pip install 'agent-operating-system[azure]'"
        ) from None
    if config.storage_connection_string is not None:
        secret = config.storage_connection_string
        calls = Calls(clock, renew=partial(again, secret))
        account = Account.by_connection_string(secret.get_secret_value(), calls, config.storage_table)
        if isinstance(secret, LiveSecret):
            secret.heard.append(account.rekey)
    elif config.storage_account_url is not None and credential is not None:
        account = Account.by_identity(config.storage_account_url, Calls(clock), credential, config.storage_table)
    else:
        raise ConfigurationError("no storage account: set storage_connection_string or storage_account_url")
    try:
        await account.create()
    except BaseException:
        await account.close()
        raise
    store = AzureAgentStore(account)
    return Opened(store, account.blobs, store.collect)


async def again(secret: SecretStr) -> bool:
    """Whether a connection string that was refused is another one by now."""
    try:
        return await renewed(secret, secret.get_secret_value())
    except Unavailable:
        return False
