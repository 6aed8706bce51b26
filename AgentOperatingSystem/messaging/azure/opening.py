"""Opens the queue bus of one account; called by the composition."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient
from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.messaging.azure.bus import StorageQueueBus
from AgentOperatingSystem.messaging.azure.post import Post
from AgentOperatingSystem.storage.azure.account import endpoint_of
from AgentOperatingSystem.storage.azure.blobs import AzureBlobStore
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.transport import Transport

QUEUE: Final = "aos-mailbox"
CLAIMS: Final = "-claims"
"""Behind the queue's name: the container of bodies that are too large for it."""
Copies = Callable[[Event], Sequence[Event]]


async def opened(
    config: AOSConfig, clock: Clock, copies: Copies, bus_type: type[StorageQueueBus] = StorageQueueBus
) -> StorageQueueBus:
    """The bus on the storage account that the configuration names; queue and container are made where they are missing.

    Raises `ConfigurationError`, `StoreUnavailable`.
    """
    post = await posted(config, Calls(clock))
    limits = {"turn_events_max": config.turn_events_max, "pending_max": config.max_pending_events}
    return bus_type(post, clock, copies, **limits)


async def posted(config: AOSConfig, calls: Calls, queue: str = QUEUE) -> Post:
    """The queue of the configured account, and the container beside it. Raises as `opened`."""
    stack = AsyncExitStack()
    try:
        mailbox, container = await _clients(config, queue, stack)
        await _ensure(calls, f"queue {queue}", mailbox.create_queue)
        await _ensure(calls, f"container {container.container_name}", container.create_container)
    except BaseException:
        await stack.aclose()
        raise
    return Post(mailbox, AzureBlobStore(container, calls), calls, stack.aclose)


async def _clients(config: AOSConfig, queue: str, stack: AsyncExitStack) -> tuple[QueueClient, ContainerClient]:
    options: list[dict[str, Any]] = [{"retry_total": 0, "transport": Transport()} for _ in range(2)]
    if config.storage_connection_string is not None:
        text = config.storage_connection_string.get_secret_value()
        try:
            mailbox = QueueClient.from_connection_string(text, queue, **options[0])
            container = ContainerClient.from_connection_string(text, queue + CLAIMS, **options[1])
        except ValueError as error:
            raise ConfigurationError(f"storage_connection_string: {error}") from None
    elif config.storage_account_url is not None:
        from azure.identity.aio import DefaultAzureCredential

        endpoints = [endpoint_of(config.storage_account_url, service) for service in ("queue", "blob")]
        credential = await stack.enter_async_context(DefaultAzureCredential())
        mailbox = QueueClient(endpoints[0], queue, credential=credential, **options[0])
        container = ContainerClient(endpoints[1], queue + CLAIMS, credential=credential, **options[1])
    else:
        raise ConfigurationError("no storage account: set storage_connection_string or storage_account_url")
    stack.push_async_callback(mailbox.close)
    stack.push_async_callback(container.close)
    return mailbox, container


async def _ensure(calls: Calls, what: str, create: Callable[[], Awaitable[object]]) -> None:
    async def make() -> None:
        with suppress(ResourceExistsError):  # a queue that is there is an error too, of status 204
            await create()

    await calls.repeated(what, make)
