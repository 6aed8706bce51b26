"""A queue trigger: takes messages of a storage queue, runs the function for each, and deletes those that it handled.

Started by `host.py`. What fails is seen again after `visibilityTimeout`, and after `maxDequeueCount` deliveries it is
moved to `<queue>-poison`, as the Azure Functions host does it. A message in hand stays hidden by renewal.
"""

import asyncio
import base64
import binascii
import logging
from contextlib import suppress
from typing import Any

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.hosting.functions_host import payloads
from AgentOperatingSystem.hosting.functions_host.azure.credentials import queue_client
from AgentOperatingSystem.hosting.functions_host.records import Function, Instance, Payload

HIDDEN_SECONDS = 60
"""How long a message in hand is hidden; renewed at half of it. A host that is killed leaves it for others then."""
WAIT_SECONDS_MIN = 0.1
WAIT_SECONDS_MAX = 2.0
"""The longest wait between two looks at an empty queue; host.json may shorten it."""
DRAIN_SECONDS = 25.0
TAKEN_MAX = 32
AGAIN_SECONDS = 1.0
_log = logging.getLogger(__name__)


async def poll(host: Instance, function: Function) -> None:
    """Triggers the function until it is cancelled."""
    connection = function.trigger.get("connection") or "AzureWebJobsStorage"
    name = host.settings.resolved(function.trigger["queueName"])
    async with queue_client(host.settings, connection, name) as queue:
        await QueueTrigger(host, function, queue).run()


class QueueTrigger:
    """One queue of one host."""

    def __init__(self, host: Instance, function: Function, queue: QueueClient) -> None:
        self._host = host
        self._function = function
        self._queue = queue
        self._settings = host.settings.queues
        self._handling: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(self._settings.batch_size)
        self._waits = (WAIT_SECONDS_MIN, min(WAIT_SECONDS_MAX, self._settings.max_polling_interval.total_seconds()))

    async def run(self) -> None:
        """Triggers until it is cancelled; functions that run then may end, and their messages are settled."""
        try:
            await self._look_forever()
        finally:
            if self._handling:
                await asyncio.wait(set(self._handling), timeout=DRAIN_SECONDS)
            for late in self._handling:
                late.cancel()

    async def _look_forever(self) -> None:
        """Less often while nothing comes."""
        wait = self._waits[0]
        while True:
            try:
                found = await self._look()
            except AzureError as error:
                _log.warning("queue %s: %s; trying again", self._queue.queue_name, str(error).partition("\n")[0])
                await self._create()
                found, wait = 0, AGAIN_SECONDS
            wait = self._waits[0] if found else min(2 * wait, self._waits[1])
            await asyncio.sleep(0 if found else wait)

    async def _create(self) -> None:
        """The Azure Functions host makes the queue that it listens to, too."""
        with suppress(AzureError):
            await self._queue.create_queue()

    async def _look(self) -> int:
        """Takes as many as there is room for; says how many."""
        await self._room.acquire()
        room = 1
        while room < TAKEN_MAX and not self._room.locked():
            await self._room.acquire()
            room += 1
        found: list[QueueMessage] = []
        try:
            taken = self._queue.receive_messages(max_messages=room, visibility_timeout=HIDDEN_SECONDS)
            found = [message async for message in taken]
        finally:
            for _ in range(room - len(found)):
                self._room.release()
        for message in found:
            task = asyncio.create_task(self._handle(message))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
        return len(found)

    async def _handle(self, message: QueueMessage) -> None:
        renewing = asyncio.create_task(self._renew_forever(message))
        try:
            succeeded = await self._host.attempt(self._function, self._payload(message))
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            self._room.release()
        try:
            await self._settle(message, succeeded)
        except AzureError as error:
            _log.warning("message %s could not be settled (%s); it comes again", message.id, type(error).__name__)

    async def _settle(self, message: QueueMessage, succeeded: bool) -> None:
        if succeeded:
            await self._queue.delete_message(message)
        elif (message.dequeue_count or 0) >= self._settings.max_dequeue_count:
            await self._bury(message)
        else:
            again = int(self._settings.visibility_timeout.total_seconds())
            await self._queue.update_message(message, visibility_timeout=again)

    async def _bury(self, message: QueueMessage) -> None:
        name = f"{self._queue.queue_name}-poison"
        connection = self._function.trigger.get("connection") or "AzureWebJobsStorage"
        async with queue_client(self._host.settings, connection, name) as poison:
            with suppress(ResourceExistsError):
                await poison.create_queue()
            await poison.send_message(message.content, time_to_live=-1)
        await self._queue.delete_message(message)
        _log.warning("message %s went to %s after %s deliveries", message.id, name, message.dequeue_count)

    async def _renew_forever(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(HIDDEN_SECONDS / 2)
            with suppress(AzureError):
                held = await self._queue.update_message(message, visibility_timeout=HIDDEN_SECONDS)
                message.pop_receipt = held.pop_receipt

    def _payload(self, message: QueueMessage) -> Payload:
        properties: dict[str, Any] = {
            "Id": message.id,
            "DequeueCount": message.dequeue_count,
            "InsertionTime": message.inserted_on.isoformat() if message.inserted_on else None,
            "ExpirationTime": message.expires_on.isoformat() if message.expires_on else None,
            "PopReceipt": message.pop_receipt,
        }
        body = str(message.content)
        if self._settings.message_encoding.lower() == "base64":
            with suppress(binascii.Error, ValueError):
                body = base64.b64decode(body, validate=True).decode()
        return payloads.queue_message(body, {name: each for name, each in properties.items() if each is not None})
