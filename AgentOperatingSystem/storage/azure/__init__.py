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
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import LiveSecret, renewed
from AgentOperatingSystem.errors import ConfigurationError, Unavailable
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore

if TYPE_CHECKING:
    from AgentOperatingSystem.storage.azure.account import Account


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
    account = _account(config, clock, credential)
    try:
        await account.create()
    except BaseException:
        await account.close()
        raise
    from AgentOperatingSystem.storage.azure.store import AzureAgentStore

    store = AzureAgentStore(account)
    return Opened(store, account.blobs, store.collect)


async def looked_at(config: AOSConfig, clock: Clock, credential: Any = None) -> str:
    """What the account says to somebody who only reads: its host, and whether table and containers are there.

    Raises as `opened` does; nothing is made.
    """
    account = _account(config, clock, credential, attempts_max=2)
    try:
        return await account.look()
    finally:
        await account.close()


def _account(config: AOSConfig, clock: Clock, credential: Any, attempts_max: int = 6) -> "Account":
    try:
        from AgentOperatingSystem.storage.azure.account import Account
        from AgentOperatingSystem.storage.azure.calls import Calls
    except ImportError as error:
        raise ConfigurationError(
            f"storage on Azure needs the package {error.name}: pip install 'agent-operating-system[azure]'"
        ) from None
    secret = config.storage_connection_string
    if secret is not None:
        calls = Calls(clock, renew=partial(again, secret), attempts_max=attempts_max)
        account = Account.by_connection_string(secret.get_secret_value(), calls, config.storage_table)
        if isinstance(secret, LiveSecret):
            secret.heard.append(account.rekey)
        return account
    if config.storage_account_url is not None and credential is not None:
        calls = Calls(clock, attempts_max=attempts_max)
        return Account.by_identity(config.storage_account_url, calls, credential, config.storage_table)
    raise ConfigurationError("no storage account: set storage_connection_string or storage_account_url")


async def again(secret: SecretStr) -> bool:
    """Whether a connection string that was refused is another one by now."""
    try:
        return await renewed(secret, secret.get_secret_value())
    except Unavailable:
        return False
