"""A Service Bus trigger: receives under a lock, runs the function, completes what it handled and abandons what failed.

Started by `host.py`. With sessions, so many at once as host.json says, each by one task that hands its messages to the
function in batches (cardinality `many`) or one by one; the broker counts deliveries and dead-letters after its own
maximum. Locks are renewed while the function runs, for `maxAutoLockRenewalDuration` at most.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusReceivedMessage
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver
from azure.servicebus.exceptions import OperationTimeoutError, ServiceBusError

from AgentOperatingSystem.hosting.functions_host import payloads
from AgentOperatingSystem.hosting.functions_host.azure.credentials import service_bus_client
from AgentOperatingSystem.hosting.functions_host.records import Function, Instance, Payload
from AgentOperatingSystem.messaging.servicebus.receiving import ended

ACCEPTORS_MAX = 8
"""How many sessions this host waits for at once; host.json's number is for machines that have more than two cores."""
WAIT_SECONDS = 30.0
AGAIN_SECONDS = 1.0
DRAIN_SECONDS = 25.0
DEAD = "/$deadletterqueue"
_log = logging.getLogger(__name__)


async def poll(host: Instance, function: Function) -> None:
    """Triggers the function until it is cancelled; a function that runs then may end, and its messages are settled."""
    connection = function.trigger.get("connection") or "AzureWebJobsServiceBus"
    async with service_bus_client(host.settings, connection) as client:
        trigger = ServiceBusTrigger(host, function, client)
        loops = min(host.settings.service_bus.max_concurrent_sessions, ACCEPTORS_MAX) if trigger.has_sessions else 1
        tasks = [asyncio.create_task(trigger.run()) for _ in range(loops)]
        try:
            await asyncio.gather(*tasks)
        finally:
            await ended([task for task in tasks if task not in trigger.busy])
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
            await ended(tasks)


class ServiceBusTrigger:
    """One queue or subscription of one host."""

    def __init__(self, host: Instance, function: Function, client: ServiceBusClient) -> None:
        trigger = function.trigger
        self._host = host
        self._function = function
        self._client = client
        self._settings = host.settings.service_bus
        self._is_batch = str(trigger.get("cardinality", "one")).lower() == "many"
        self.has_sessions = bool(trigger.get("isSessionsEnabled"))
        self._queue = host.settings.resolved(trigger.get("queueName") or "")
        self._topic = host.settings.resolved(trigger.get("topicName") or "")
        self._subscription = host.settings.resolved(trigger.get("subscriptionName") or "")
        self.busy: set[asyncio.Task[Any] | None] = set()
        """Those of the tasks in `run` whose function runs now."""

    async def run(self) -> None:
        """Receives from one session after the other, or from the entity itself, until the host drains."""
        while not self._host.draining.is_set():
            try:
                async with self._receiver() as receiver:
                    await self._serve(receiver)
            except OperationTimeoutError:
                continue  # no session has anything
            except ServiceBusError as error:
                _log.warning("%s: %s; trying again", self._function.name, str(error).partition("\n")[0])
                await asyncio.sleep(AGAIN_SECONDS)

    def _receiver(self) -> ServiceBusReceiver:
        more: dict[str, Any] = {"prefetch_count": self._settings.prefetch_count}
        if self.has_sessions:
            more |= {"session_id": NEXT_AVAILABLE_SESSION, "max_wait_time": WAIT_SECONDS}
        entity = self._queue or self._subscription
        if entity.lower().endswith(DEAD):
            entity = entity[: -len(DEAD)]
            more["sub_queue"] = "deadletter"
        if self._topic:
            return self._client.get_subscription_receiver(self._topic, entity, **more)
        return self._client.get_queue_receiver(entity, **more)

    async def _serve(self, receiver: ServiceBusReceiver) -> None:
        """Until the session is idle; an entity without sessions is served for ever."""
        idle = self._settings.session_idle_timeout.total_seconds() if self.has_sessions else WAIT_SECONDS
        most = self._settings.max_message_batch_size if self._is_batch else self._settings.max_concurrent_calls
        async with AutoLockRenewer(self._settings.max_auto_lock_renewal_duration.total_seconds()) as renewer:
            if self.has_sessions:
                renewer.register(receiver, receiver.session)
            while True:
                found = await receiver.receive_messages(max_message_count=most, max_wait_time=idle)
                if self._host.draining.is_set() or (not found and self.has_sessions):
                    return
                if not self.has_sessions:
                    for message in found:
                        renewer.register(receiver, message)
                await self._handle(receiver, found)

    async def _handle(self, receiver: ServiceBusReceiver, found: Sequence[ServiceBusReceivedMessage]) -> None:
        task = asyncio.current_task()
        self.busy.add(task)
        try:
            await self._attempts(receiver, found)
        finally:
            self.busy.discard(task)

    async def _attempts(self, receiver: ServiceBusReceiver, found: Sequence[ServiceBusReceivedMessage]) -> None:
        if self._is_batch:
            await self._attempt(receiver, found)
        elif self.has_sessions:
            for message in found:
                await self._attempt(receiver, [message])
        else:
            await asyncio.gather(*(self._attempt(receiver, [message]) for message in found))

    async def _attempt(self, receiver: ServiceBusReceiver, found: Sequence[ServiceBusReceivedMessage]) -> None:
        if not found:
            return
        succeeded = await self._host.attempt(self._function, self._payload(found))
        settle = receiver.complete_message if succeeded else receiver.abandon_message
        for message in found:
            with suppress(ServiceBusError):  # a lock that was lost: the message comes again
                await settle(message)

    def _payload(self, found: Sequence[ServiceBusReceivedMessage]) -> Payload:
        bodies = [_body(message) for message in found]
        if self._is_batch:
            return payloads.service_bus_messages(bodies, [_properties(message) for message in found])
        return payloads.service_bus_message(bodies[0], _properties(found[0]))


def _body(message: ServiceBusReceivedMessage) -> bytes:
    body = message.body
    return body if isinstance(body, bytes) else b"".join(bytes(part) for part in body)


def _properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """As the host names them, and no more than it sends; the delivery count is the host's, which begins with 1.

    Source: Azure SDK for .NET, `ServiceBusTriggerBindingStrategy`.
    """
    application = {_text(name): _plain(value) for name, value in (message.application_properties or {}).items()}
    said = {
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "DeadLetterSource": message.dead_letter_source,
        "EnqueuedTimeUtc": _moment(message.enqueued_time_utc),
        "Label": message.subject,
        "Subject": message.subject,
        "LockToken": str(message.lock_token) if message.lock_token else None,
        "MessageId": message.message_id,
        "ReplyTo": message.reply_to,
        "SequenceNumber": message.sequence_number,
        "SessionId": message.session_id,
        "To": message.to,
    }
    count = {"DeliveryCount": (message.delivery_count or 0) + 1}
    named = {"ApplicationProperties": application, "UserProperties": application}
    return {name: value for name, value in said.items() if value is not None} | count | named


def _moment(moment: datetime | None) -> str | None:
    """UTC, and without saying so, as the host sends it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() if moment is not None else None


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _plain(value: Any) -> Any:
    """A property's value as JSON has it."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
    return value if isinstance(value, str | int | float | bool | None) else _text(value)
