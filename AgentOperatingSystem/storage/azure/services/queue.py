"""Azure Queue Storage for applications: JSON messages, taken for a while and completed (specification row 104)."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from AgentOperatingSystem.errors import Conflict, TooLarge
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.storage.azure.calls import Calls, Rejected
from AgentOperatingSystem.storage.azure.services.naming import Opened

MESSAGE_BYTES_MAX: Final = 48 << 10
"""What a queue message of 64 KiB holds as base64."""
POISON: Final = "-poison"
"""Behind a queue's name: where messages go that were taken too often, as the Functions host has it."""
_FOR_EVER: Final = -1
_GONE: Final = frozenset({400, 404})


class QueueMessage(NamedTuple):
    """A message that was taken."""

    id: str
    data: Any
    receipt: str
    """The right to complete it, until it is visible again."""
    deliveries: int
    """How often it was taken, this time included."""


class AzureQueueStorage(Opened):
    """One account's queues. By connection string, or by URL with the host's identity (or a `credential` of the SDK's).

    Queues are made where they are missing. Every call raises `StoreUnavailable` where the account cannot be reached.
    """

    def __init__(
        self,
        connection_string: str | None = None,
        *,
        account_url: str | None = None,
        credential: Any = None,
        deliveries_max: int = 5,
        calls: Calls | None = None,
    ) -> None:
        super().__init__(connection_string, account_url, credential, calls)
        self._service: QueueServiceClient = self._client(QueueServiceClient)
        self._deliveries_max = deliveries_max

    async def send(self, queue: str, data: Any, *, delay_seconds: int = 0) -> str:
        """Puts a JSON value, durable when this returns; answers the message's id. It is seen after `delay_seconds`, at
        most seven days. Raises `TooLarge` above 48 KiB, `InvalidEvent` where it is not JSON.
        """
        content = encode(data)
        if len(content) > MESSAGE_BYTES_MAX:
            raise TooLarge(f"a message of {len(content)} bytes; a queue takes {MESSAGE_BYTES_MAX}: put it into a blob")
        sent = await self._put(queue, base64.b64encode(content).decode(), delay_seconds)
        return str(sent.id)

    async def receive(self, queue: str, limit: int = 1, *, visibility_seconds: int = 30) -> list[QueueMessage]:
        """Takes up to 32 messages that nobody else sees for so many seconds. What was taken more than `deliveries_max`
        times goes into the queue `<queue>-poison`, as it is.
        """
        client = self._service.get_queue_client(queue)

        async def page() -> list[Any]:
            pager: Any = client.receive_messages(
                messages_per_page=limit, max_messages=limit, visibility_timeout=visibility_seconds
            )
            return [each async for each in pager]

        taken: list[QueueMessage] = []
        for each in await self._at(client, page):
            if each.dequeue_count > self._deliveries_max:
                await self._put(queue + POISON, each.content, 0)
                await self._at(client, partial(client.delete_message, each.id, each.pop_receipt))
            else:
                taken.append(QueueMessage(each.id, _data(each.content), each.pop_receipt, each.dequeue_count))
        return taken

    async def peek(self, queue: str, limit: int = 1) -> list[Any]:
        """The next messages' data, which stay where they are."""
        client = self._service.get_queue_client(queue)
        return [_data(each.content) for each in await self._at(client, lambda: client.peek_messages(limit))]

    async def complete(self, queue: str, message: QueueMessage) -> None:
        """It does not come again. Raises `Conflict` where it was taken by somebody else meanwhile."""
        client = self._service.get_queue_client(queue)
        await self._held(message, client, lambda: client.delete_message(message.id, message.receipt))

    async def extend(self, queue: str, message: QueueMessage, visibility_seconds: int) -> QueueMessage:
        """Nobody sees it for so many seconds more; 0 gives it back. Raises `Conflict` as `complete` does."""
        client = self._service.get_queue_client(queue)
        held = await self._held(
            message,
            client,
            lambda: client.update_message(message.id, message.receipt, visibility_timeout=visibility_seconds),
        )
        return message._replace(receipt=held.pop_receipt)

    async def length(self, queue: str) -> int:
        """How many messages there are, hidden ones included, as the service estimates it."""
        client = self._service.get_queue_client(queue)
        found = await self._at(client, client.get_queue_properties)
        return int(found.approximate_message_count or 0)

    async def _put(self, queue: str, text: str, delay_seconds: int) -> Any:
        client = self._service.get_queue_client(queue)
        return await self._at(
            client, lambda: client.send_message(text, visibility_timeout=delay_seconds, time_to_live=_FOR_EVER)
        )

    async def _held(self, message: QueueMessage, client: QueueClient, call: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await self._at(client, call)
        except Rejected as refusal:
            if refusal.http_status in _GONE:
                raise Conflict(f"message {message.id} was taken by somebody else meanwhile, or completed") from None
            raise

    async def _at(self, client: QueueClient, call: Callable[[], Awaitable[Any]]) -> Any:
        async def made() -> None:
            try:
                await client.create_queue()
            except ResourceExistsError:
                return

        return await self._asked(f"queue {client.queue_name}", call, made)


def _data(text: str) -> Any:
    """JSON in base64 or plain; else the text as it is."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = text.encode()
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return text
