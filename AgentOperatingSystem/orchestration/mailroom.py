"""Where events come in, whatever door they come through: checked, addressed, and either waited for or accepted.

Fed by the REST door, the command line, webhooks and other agents' code; hands messages to the bus.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from AgentOperatingSystem.errors import (
    AgentTerminated,
    EventFailed,
    EventInFlight,
    IdempotencyKeyReused,
    InvalidEvent,
    TooLarge,
)
from AgentOperatingSystem.events import (
    Event,
    Message,
    encode,
    event_message,
    fingerprint,
    is_deeper,
    publication_message,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import tracing
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.lookout import Lookout
from AgentOperatingSystem.orchestration.outcomes import Waiter
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.routes import Route, choose, unrouted
from AgentOperatingSystem.storage.records import Control, EventRow, Head, Status

_replace = msgspec.structs.replace
_decode = msgspec.json.decode


class Mailroom:
    """The one way in."""

    def __init__(
        self,
        parts: Parts,
        kernel: Kernel,
        routes: Sequence[Route],
        dedupe_seconds: float,
        lookout: Lookout | None = None,
    ) -> None:
        """`lookout` is for a broker that may hand an event to a host that tells this one nothing."""
        self._parts = parts
        self._kernel = kernel
        self._lookout = lookout
        self._dedupe_seconds = dedupe_seconds
        self.routes = list(routes)
        self._sending: dict[str, str] = {}
        """Fingerprints of what is being made durable now, by message id."""

    def admit(self, event: Event) -> Event:
        """The event as it will travel: checked, detached from the caller's objects, stamped and addressed.

        Raises `InvalidEvent`, `TooLarge`, `UnknownAgent`.
        """
        event = self.stamp(event)
        if event.agent is None:
            return self.route(event)
        self._parts.registry.check_recipient(event.agent)
        return event if event.tenant == event.agent.tenant else event.to(event.agent)

    def route(self, event: Event) -> Event:
        """The event, addressed by the declared routes, or to the agent that keeps what none of them matches."""
        return choose(self.routes, event) or unrouted(event)

    def stamp(self, event: Event) -> Event:
        """The event with its time said and its data detached. Raises `InvalidEvent`, `TooLarge`."""
        traceparent = event.traceparent or tracing.traceparent() or ""
        time = event.time or self._parts.clock.now()
        return _replace(event, data=self._detached(event.data), time=time, traceparent=traceparent)

    @staticmethod
    def result_of(row: EventRow) -> Any:
        """The result of an event that is done. Raises `EventFailed` for every other end."""
        if row.status is not Status.DONE:
            raise EventFailed(f"event {row.event.id!r} is {row.status}: {row.reason}")
        return _decode(row.result) if isinstance(row.result, msgspec.Raw) else row.result

    async def process(self, event: Event, timeout_seconds: float | None = None) -> EventRow | None:
        """Handles an event and answers its row at its end; None where it did not end in time (it is accepted all the
        same).

        Raises as `admit` does; `IdempotencyKeyReused`, `EventInFlight`, `Overloaded`.
        """
        event = self.admit(event)
        assert event.agent is not None
        self._check_age(event)
        awake = self._kernel.warm.get(event.agent)
        self._refuse_terminated(event.agent, awake.server.head if awake is not None else None)
        key, mark = event.key, fingerprint(event)
        waiter, is_first = self._kernel.outcomes.wait(event.agent, key, mark)
        message = event_message(event, mark)
        try:
            if is_first and not self._is_waiting(message):
                await self._parts.bus.offer(message)
            if self._lookout is not None:
                self._lookout.look(event.agent, key)
            return await _within(waiter, timeout_seconds)
        except TimeoutError:
            await self._parts.bus.keep(message)
            return None
        finally:
            if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
                self._kernel.outcomes.leave(event.agent, key, waiter)

    def _refuse_terminated(self, agent: AgentId, head: Head | None) -> None:
        if head is not None and head.control is Control.TERMINATED:
            raise AgentTerminated(f"{agent} was terminated; it accepts nothing more")

    async def accept(self, event: Event, *, sent_again: bool = False) -> tuple[Event, EventRow | None]:
        """Makes an event durable in its mailbox; answers it as addressed, and its row where it was accepted before.

        `sent_again` is for an event that was accepted once and kept aside since: its age matters no more. Raises as
        `process` does.
        """
        event = self.admit(event)
        assert event.agent is not None
        if not sent_again:
            self._check_age(event)
        mark = fingerprint(event)
        known = await self._parts.store.event(event.agent, event.key)
        if known is None:
            stored = await self._parts.store.load(event.agent)
            self._refuse_terminated(event.agent, stored[0] if stored else None)
        else:
            if known.fingerprint and known.fingerprint != mark:
                raise IdempotencyKeyReused(f"event {event.id!r} of {event.source!r} was accepted with another body")
            return event, known
        await self._make_durable(event_message(event, mark))
        return event, None

    async def publish(self, event: Event) -> None:
        """Sends a publication to the subscribers of its topic."""
        await self._parts.bus.send([publication_message(event)])

    async def find(self, agent: AgentId, source: str, event_id: str) -> tuple[EventRow | None, bool]:
        """An event's row, and whether it still waits with the broker where there is none."""
        probe = Event(type="aos.probe", source=source, id=event_id, agent=agent)
        is_waiting = await self._parts.bus.find(event_message(probe).id) is not None
        row = await self._parts.store.event(agent, probe.key)  # read second: what is in neither was never accepted
        return row, row is None and is_waiting

    async def _make_durable(self, message: Message) -> None:
        """Sends a message; one that is in flight already is kept, because its own sender may still be waiting for it.

        Raises `EventInFlight` where the one in flight has another body.
        """
        waiting = await self._parts.bus.find(message.id)
        if waiting is not None:
            _check_same(message, waiting.fingerprint)
            await self._parts.bus.keep(waiting)
            return
        _check_same(message, self._sending.get(message.id, ""))
        self._sending[message.id] = message.fingerprint
        try:
            await self._parts.bus.send([message])
        finally:
            self._sending.pop(message.id, None)

    def _is_waiting(self, message: Message) -> bool:
        """Whether the same message is in flight already. Raises `EventInFlight` where it has another body."""
        waiting = self._parts.bus.waiting(message.id)
        if waiting is None or waiting.event is None:
            return False
        _check_same(message, waiting.fingerprint)
        return True

    def _detached(self, data: Any) -> Any:
        content = encode(data)
        limit = self._parts.limits.event_bytes_max
        if len(content) > limit:
            raise TooLarge(f"the event's data has {len(content)} bytes; event_bytes_max is {limit}")
        value = _decode(content)
        deepest = self._parts.limits.event_depth_max
        if content.count(b"[") + content.count(b"{") > deepest and is_deeper(value, deepest):
            raise InvalidEvent(f"the event's data is nested deeper than event_depth_max, {deepest} levels")
        return value

    def _check_age(self, event: Event) -> None:
        """Older events than the dedupe window are refused: nobody could tell any more whether they are duplicates."""
        age = self._parts.clock.now() - event.time
        if age > self._dedupe_seconds:
            raise InvalidEvent(
                f"event {event.id!r} is {age / 86400:.0f} days old, beyond the dedupe window of this system"
            )


async def _within(waiter: Waiter, timeout_seconds: float | None) -> EventRow:
    """As `asyncio.wait_for`, at half of its cost: every event that is waited for comes by. Raises `TimeoutError`."""
    if timeout_seconds is None:
        return await waiter
    timer = asyncio.get_running_loop().call_later(timeout_seconds, _time_out, waiter)
    try:
        return await waiter
    finally:
        timer.cancel()


def _time_out(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


def _check_same(message: Message, fingerprint: str) -> None:
    """Raises `EventInFlight` where the message of this id that is in flight was another one."""
    if fingerprint and fingerprint != message.fingerprint and message.event is not None:
        event = message.event
        raise EventInFlight(f"event {event.id!r} of {event.source!r} is in flight with another body", 1.0)
