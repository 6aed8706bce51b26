"""Azure Service Bus through the vendor's SDK: the only file of the bus that imports azure-servicebus.

`messaging/servicebus/bus.py` decides what is sent and settled; this carries it out: long-lived senders, held sessions,
subscriptions, dead letters. Every error of the SDK becomes one of ours here (`_reached`).

Every sender and receiver of the SDK is a connection of its own. `socket_timeout` is what a reader holds the socket for:
with the SDK's 0.2 s, settling many messages at once takes 0.2 s for each round.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.exceptions import AzureError
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
)
from azure.servicebus.aio import (
    ServiceBusClient,
    ServiceBusReceiver,
    ServiceBusSender,
    _servicebus_receiver_async,
    _servicebus_sender_async,
)
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from AgentOperatingSystem.config.azure_roles import missing_role
from AgentOperatingSystem.errors import ConfigurationError, Overloaded, StoreUnavailable, TooLarge
from AgentOperatingSystem.messaging.azure.live_key import ConnectionString, entered
from AgentOperatingSystem.messaging.servicebus.envelopes import text_of
from AgentOperatingSystem.messaging.servicebus.patience import be_quick
from AgentOperatingSystem.messaging.servicebus.ports import Delivered
from AgentOperatingSystem.messaging.servicebus.records import Outgoing, Received

SOCKET_SECONDS: Final = 0.01
GATHER_SECONDS: Final = 0.002
"""A wait in which the SDK looks at its socket once."""
CANCEL_AGAIN_SECONDS: Final = 0.05
LOOK_SECONDS_MAX: Final = 0.25
CLOSE_SECONDS_MAX: Final = 5.0
KEEP_ALIVE_SECONDS: Final = 30
PREFETCH: Final = 64
FULL_SECONDS: Final = 5.0
_LOCK_LOST: Final = (SessionLockLostError, MessageLockLostError, SessionCannotBeLockedError)


class ServiceBusManager:
    """`Connection` to one namespace. Make it within a running event loop.

    `connection_string` names the namespace and its key, or an emulator (a function: the ones of now); else `namespace`
    (`<name>.servicebus.windows.net`) is entered with `credential`, by default whatever `DefaultAzureCredential` finds.
    `gather_seconds` is how long it is looked for more when a message has come.
    """

    def __init__(
        self,
        connection_string: ConnectionString | None = None,
        *,
        namespace: str | None = None,
        credential: Any = None,
        keep_alive_seconds: int = KEEP_ALIVE_SECONDS,
        retries: int = 3,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._stack = AsyncExitStack()
        self._client = self._made(connection_string, namespace, credential, {"retry_total": retries})
        self._keep_alive_seconds = keep_alive_seconds
        self._senders: dict[str, ServiceBusSender] = {}
        self._opening = asyncio.Lock()
        self._opened = Opened(gather_seconds, _remedy(connection_string, namespace, credential))

    def _made(
        self,
        connection_string: ConnectionString | None,
        namespace: str | None,
        credential: Any,
        options: dict[str, Any],
    ) -> ServiceBusClient:
        try:
            if connection_string is not None:
                client: ServiceBusClient = entered(ServiceBusClient, connection_string, options)
                return client
        except ValueError as error:
            raise ConfigurationError(f"servicebus_connection_string: {error}") from None
        if namespace is None:
            raise ConfigurationError(
                "no Service Bus: set servicebus_connection_string or servicebus_fully_qualified_namespace"
            )
        if credential is None:
            from azure.identity.aio import DefaultAzureCredential

            credential = DefaultAzureCredential()
            self._stack.push_async_callback(credential.close)
        return ServiceBusClient(namespace, credential, **options)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._opened.is_closing

    # --- Connection ---------------------------------------------------------------------------------------------

    async def send(self, entity: str, outgoing: Sequence[Outgoing]) -> None:
        sender = await self._sender(entity)
        async with _reached(entity, self._opened):
            batch = await sender.create_message_batch()
            for each in outgoing:
                if len(batch) and not _fits(batch, each):
                    await sender.send_messages(batch)
                    batch = await sender.create_message_batch()
                if not len(batch) and not _fits(batch, each):
                    raise TooLarge(f"message {each.message_id} has {len(each.body)} bytes: too many for {entity}")
            if len(batch):
                await sender.send_messages(batch)

    async def next_session(self, queue: str, wait_seconds: float) -> "HeldSession | None":
        self._check_open()
        receiver = self._client.get_queue_receiver(
            queue,
            session_id=NEXT_AVAILABLE_SESSION,
            max_wait_time=wait_seconds,
            prefetch_count=PREFETCH,
            socket_timeout=SOCKET_SECONDS,
            keep_alive=0,  # its lock is renewed while a turn runs, and it is read from else
        )
        session = HeldSession(receiver, queue, self._opened)
        async with _reached(queue, self._opened):
            return session if await session.open() else None

    async def inbox(self, entity: str, *, dead_letters: bool = False) -> "ReceiverInbox":
        self._check_open()
        topic, _, subscription = entity.partition("/")
        options: dict[str, Any] = {
            "sub_queue": ServiceBusSubQueue.DEAD_LETTER if dead_letters else None,
            "receive_mode": ServiceBusReceiveMode.PEEK_LOCK,
            "prefetch_count": PREFETCH,
            "socket_timeout": SOCKET_SECONDS,
            "keep_alive": 0,  # it is read from all the time
        }
        if subscription:
            receiver = self._client.get_subscription_receiver(topic, subscription, **options)
        else:
            receiver = self._client.get_queue_receiver(topic, **options)
        inbox = ReceiverInbox(receiver, entity, self._opened)
        async with _reached(entity, self._opened):
            await inbox.open()
        return inbox

    async def peek(self, entity: str, after: int, most: int, *, dead_letters: bool = False) -> list[Received]:
        inbox = await self.inbox(entity, dead_letters=dead_letters)
        try:
            return await inbox.peek(after, most)
        finally:
            await inbox.close()

    async def close(self) -> None:
        """Lets go of everything, when those who receive have let go. Closing twice is the same as once."""
        self._opened.is_closing = True
        while self._opened.opening:  # the SDK swallows a cancellation now and then
            for task in list(self._opened.opening):
                task.cancel()
            await asyncio.sleep(CANCEL_AGAIN_SECONDS)
        await self._readers_are_gone()
        handlers: list[ReceiverInbox | ServiceBusSender] = [*self._opened.inboxes, *self._senders.values()]
        self._senders.clear()
        await asyncio.gather(*(each.close() for each in handlers), return_exceptions=True)
        await self._client.close()
        await self._stack.aclose()

    async def _readers_are_gone(self) -> None:
        """A receiver that somebody reads from cannot be closed by somebody else: both wait for the socket then."""
        deadline = time.monotonic() + CLOSE_SECONDS_MAX
        while self._opened.inboxes and time.monotonic() < deadline:  # noqa: ASYNC110  # they are many
            await asyncio.sleep(CANCEL_AGAIN_SECONDS)

    def _check_open(self) -> None:
        if self._opened.is_closing:
            raise StoreUnavailable("the connection to Service Bus is closed")

    async def _sender(self, entity: str) -> ServiceBusSender:
        """The sender of an entity, open until `close`; to the SDK a topic's is the same as a queue's."""
        self._check_open()
        async with self._opening:
            sender = self._senders.get(entity)
            if sender is None:
                made = self._client.get_queue_sender(
                    entity, socket_timeout=SOCKET_SECONDS, keep_alive=self._keep_alive_seconds
                )
                be_quick(_servicebus_sender_async)
                async with _reached(entity, self._opened):
                    sender = self._senders[entity] = await made.__aenter__()
            return sender


@dataclass(slots=True)
class Opened:
    """What a manager has open, and who is about to open something."""

    gather_seconds: float
    remedy: str
    """What to do where the namespace refuses this host."""
    is_closing: bool = False
    inboxes: "set[ReceiverInbox]" = field(default_factory=set)
    opening: "set[asyncio.Task[Any]]" = field(default_factory=set)


class ReceiverInbox:
    """`Inbox` on a receiver of the SDK. One caller at a time receives or settles."""

    def __init__(self, receiver: ServiceBusReceiver, entity: str, opened: "Opened") -> None:
        self._receiver = receiver
        self._entity = entity
        self._opened = opened

    async def open(self) -> bool:
        """Connects; False where there was nothing to connect to in time."""
        be_quick(_servicebus_receiver_async)
        task = asyncio.current_task()
        assert task is not None
        self._opened.opening.add(task)
        try:
            await self._receiver.__aenter__()
        except OperationTimeoutError:
            await self.close()
            return False
        except BaseException:
            self._opened.opening.discard(task)  # from here on, nobody cancels it again
            await self.close()
            raise
        finally:
            self._opened.opening.discard(task)
        self._opened.inboxes.add(self)
        return True

    async def receive(self, most: int, wait_seconds: float) -> list[Delivered]:
        """The first message as it comes, and with it whatever has come by then."""
        async with _reached(self._entity, self._opened):
            found = await self._first(max(wait_seconds, self._opened.gather_seconds))
            more = found
            while more and len(found) < most:
                more = await self._receiver.receive_messages(most - len(found), self._opened.gather_seconds)
                found = [*found, *more]
        return [Delivered(_received(each), each) for each in found]

    async def _first(self, wait_seconds: float) -> list[ServiceBusReceivedMessage]:
        """In short looks, because nothing can stop one from outside."""
        until = time.monotonic() + wait_seconds
        while (left := until - time.monotonic()) > 0 and not self._opened.is_closing:
            found = await self._receiver.receive_messages(1, min(left, LOOK_SECONDS_MAX))
            if found:
                return found
        return []

    async def complete(self, delivered: Sequence[Delivered]) -> bool:
        async with _reached(self._entity, self._opened):
            outcomes = await asyncio.gather(
                *(self._receiver.complete_message(each.handle) for each in delivered), return_exceptions=True
            )
            failures = [each for each in outcomes if isinstance(each, BaseException)]
            for failure in failures:
                if not isinstance(failure, _LOCK_LOST):
                    raise failure
        return not failures

    async def peek(self, after: int, most: int) -> list[Received]:
        """Messages behind a sequence number, without a lock."""
        async with _reached(self._entity, self._opened):
            found = await self._receiver.peek_messages(max_message_count=most, sequence_number=after + 1)
        return [_received(each) for each in found]

    async def close(self) -> None:
        self._opened.inboxes.discard(self)
        with suppress(ServiceBusError):
            await self._receiver.close()


class HeldSession(ReceiverInbox):
    """`Session` on a session receiver of the SDK."""

    @property
    def id(self) -> str:
        return str(self._receiver.session.session_id)

    @property
    def seconds_left(self) -> float:
        until = self._receiver.session.locked_until_utc
        return (until - datetime.now(UTC)).total_seconds() if until is not None else 0.0

    async def renew(self) -> bool:
        async with _reached(self._entity, self._opened):
            try:
                await self._receiver.session.renew_lock()
            except _LOCK_LOST:
                return False
        return True


def _fits(batch: Any, outgoing: Outgoing) -> bool:
    """Whether a message went into the batch."""
    try:
        batch.add_message(_message(outgoing))
    except MessageSizeExceededError:
        return False
    return True


def _message(outgoing: Outgoing) -> ServiceBusMessage:
    return ServiceBusMessage(
        outgoing.body,
        message_id=outgoing.message_id,
        session_id=outgoing.session_id or None,
        content_type=outgoing.content_type or None,
        subject=outgoing.subject or None,
        correlation_id=outgoing.correlation_id or None,
        application_properties=dict(outgoing.application_properties.items()),
        scheduled_enqueue_time_utc=datetime.fromtimestamp(outgoing.due, UTC) if outgoing.due else None,
    )


def _received(message: ServiceBusReceivedMessage) -> Received:
    properties = message.application_properties or {}
    enqueued = message.enqueued_time_utc
    return Received(
        body=_body(message),
        message_id=_text(message.message_id),
        session_id=_text(message.session_id),
        content_type=_text(message.content_type),
        subject=_text(message.subject),
        correlation_id=_text(message.correlation_id),
        application_properties={text_of(name): text_of(value) for name, value in properties.items()},
        delivery_count=message.delivery_count or 0,
        sequence_number=message.sequence_number or 0,
        enqueued_at=enqueued.timestamp() if enqueued is not None else 0.0,
        dead_letter_reason=_text(message.dead_letter_reason),
        dead_letter_description=_text(message.dead_letter_error_description),
    )


def _body(message: ServiceBusReceivedMessage) -> bytes:
    """The data sections as one; a value or a sequence in its place is nothing that this system sends or reads."""
    body: Any = message.body
    if isinstance(body, bytes | str):
        return body if isinstance(body, bytes) else body.encode()
    try:
        return b"".join(body)
    except TypeError:
        return str(message).encode()


def _text(value: Any) -> str:
    return str(text_of(value)) if value is not None else ""


@asynccontextmanager
async def _reached(entity: str, opened: Opened) -> AsyncIterator[None]:
    """Everything that the SDK raises becomes an error of ours, with the entity in front."""
    try:
        yield
    except ServiceBusQuotaExceededError as error:
        raise Overloaded(f"{entity} is full: {_line(error)}", FULL_SECONDS) from error
    except MessageSizeExceededError as error:
        raise TooLarge(f"{entity}: {_line(error)}") from error
    except MessagingEntityNotFoundError as error:
        raise StoreUnavailable(f"{entity} is not there; create it, or name another: {_line(error)}") from error
    except (ServiceBusAuthenticationError, ServiceBusAuthorizationError) as error:
        told = f"{entity}: Service Bus refuses this host: {_line(error)}; {opened.remedy}"
        raise StoreUnavailable(told) from error
    except (AzureError, OSError, ValueError, TimeoutError) as error:
        raise StoreUnavailable(f"{entity}: {_line(error)}") from error


def _remedy(connection_string: object, namespace: str | None, credential: Any) -> str:
    if connection_string is not None or namespace is None:
        return "servicebus_connection_string is out of date, or its key may not send and listen"
    return missing_role("servicebus", namespace, str(getattr(credential, "client_id", "") or ""))


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
