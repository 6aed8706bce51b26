"""Opens the queue bus of one account; called by the composition."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus
from AgentOperatingSystem.messaging.azure.post import Post
from AgentOperatingSystem.storage.azure import again
from AgentOperatingSystem.storage.azure.account import endpoint_of
from AgentOperatingSystem.storage.azure.blobs import AzureBlobStore
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.rekeying import rekey, signature_in
from AgentOperatingSystem.storage.azure.transport import Transport

CLAIMS: Final = "-claims"
"""Behind the queue's name: the container of bodies that are too large for it."""
Close = Callable[[], Awaitable[None]]
Copies = Callable[[Event], Sequence[Event]]


async def opened(
    config: AOSConfig,
    clock: Clock,
    copies: Copies,
    credential: Any = None,
    bus_type: type[StorageQueueBus] = StorageQueueBus,
) -> StorageQueueBus:
    """The bus on the storage account that the configuration names; queue and container are made where they are missing.
    `credential` is the host's identity, for an account that is named by its URL alone.

    Raises `ConfigurationError`, `StoreUnavailable`.
    """
    secret = config.storage_connection_string
    calls = Calls(clock, renew=partial(again, secret)) if secret is not None else Calls(clock)
    post = await posted(config, calls, config.storage_queue, credential)
    limits = {"turn_events_max": config.turn_events_max, "pending_max": config.max_pending_events}
    return bus_type(post, clock, copies, **limits)


async def posted(config: AOSConfig, calls: Calls, queue: str, credential: Any = None) -> Post:
    """The queue of the configured account, and the container beside it. Raises as `opened`."""
    stack = AsyncExitStack()
    try:
        mailbox, container = _clients(config, queue, credential)
        stack.push_async_callback(mailbox.close)
        stack.push_async_callback(container.close)
        await _ensure(calls, f"queue {queue}", mailbox.create_queue)
        await _ensure(calls, f"container {container.container_name}", container.create_container)
    except BaseException:
        await stack.aclose()
        raise
    return Post(mailbox, AzureBlobStore(container, calls), calls, stack.aclose)


async def claims(config: AOSConfig, clock: Clock, credential: Any = None) -> tuple[AzureBlobStore, Close]:
    """The container of bodies that are too large for Service Bus, beside the tables, and what lets go of it. Raises as
    `opened`.
    """
    secret = config.storage_connection_string
    calls = Calls(clock, renew=partial(again, secret)) if secret is not None else Calls(clock)
    mailbox, container = _clients(config, config.servicebus_queue, credential)
    await mailbox.close()  # Service Bus carries: the storage queue is not needed
    try:
        await _ensure(calls, f"container {container.container_name}", container.create_container)
    except BaseException:
        await container.close()
        raise
    return AzureBlobStore(container, calls), container.close


def _clients(config: AOSConfig, queue: str, credential: Any) -> tuple[QueueClient, ContainerClient]:
    options: list[dict[str, Any]] = [{"retry_total": 0, "transport": Transport()} for _ in range(2)]
    secret = config.storage_connection_string
    if secret is not None:
        text = secret.get_secret_value()
        try:
            mailbox = QueueClient.from_connection_string(text, queue, signature_in(text), **options[0])
            container = ContainerClient.from_connection_string(text, queue + CLAIMS, signature_in(text), **options[1])
        except ValueError as error:
            raise ConfigurationError(f"storage_connection_string: {error}") from None
        if isinstance(secret, LiveSecret):
            secret.heard.append(lambda renewed: _rekey((mailbox, container), renewed))
        return mailbox, container
    if config.storage_account_url is not None and credential is not None:
        endpoints = [endpoint_of(config.storage_account_url, service) for service in ("queue", "blob")]
        return (
            QueueClient(endpoints[0], queue, credential=credential, **options[0]),
            ContainerClient(endpoints[1], queue + CLAIMS, credential=credential, **options[1]),
        )
    raise ConfigurationError("no storage account: set storage_connection_string or storage_account_url")


def _rekey(clients: Sequence[Any], text: str) -> None:
    """Goes on with the key, or signature, of a new connection string; `storage.azure.account` says where it is none."""
    for client in clients:
        rekey(client.credential, text)


async def _ensure(calls: Calls, what: str, create: Callable[[], Awaitable[object]]) -> None:
    async def make() -> None:
        with suppress(ResourceExistsError):  # a queue that is there is an error too, of status 204
            await create()

    await calls.repeated(what, make)
