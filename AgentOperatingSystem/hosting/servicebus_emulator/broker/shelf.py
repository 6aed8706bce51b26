"""The messages of one queue, by number and by lane; nothing here knows receivers.

`Queue` decides, this keeps: what is there, what is ready in which order, what expires when, and the journal's rows.
"""

import heapq
from collections.abc import Iterator

from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, Message, State, World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import QuotaExceeded


class Shelf:
    """Messages and lanes."""

    def __init__(self, path: str, world: World, *, has_sessions: bool) -> None:
        self.path = path
        self.messages: dict[int, Message] = {}
        self.lanes: dict[str | None, Lane] = {}
        self._world = world
        self._has_sessions = has_sessions
        self.bytes = 0
        self._expiring: list[tuple[int, int]] = []

    def check_room(self, size_bytes: int) -> None:
        """Raises `QuotaExceeded`."""
        limit = self._world.limits.entity_bytes
        if self.bytes + size_bytes > limit:
            raise QuotaExceeded(f"{self.path} is full: {limit} bytes is the most")

    def add(self, message: Message) -> None:
        """A message that is new here, kept from now on."""
        self.restore(message)
        self.save(message)

    def restore(self, message: Message) -> None:
        """A message that the journal has already."""
        self.messages[message.sequence] = message
        self.bytes += message.envelope.size_bytes
        if message.expires_ms is not None:
            heapq.heappush(self._expiring, (message.expires_ms, message.sequence))
            self._compact()
        self.make_ready(message)

    def save(self, message: Message) -> None:
        """The message has changed."""
        self._world.journal.put(self.path, message)

    def remove(self, message: Message) -> None:
        """The message is gone."""
        del self.messages[message.sequence]
        self.bytes -= message.envelope.size_bytes
        self._world.journal.drop(self.path, message.sequence)

    def make_ready(self, message: Message) -> None:
        """Puts it at its place among those that can be delivered; a deferred one has none."""
        if message.state is State.ACTIVE:
            heapq.heappush(self.lane_of(message).ready, message.sequence)

    def lane_of(self, message: Message) -> Lane:
        """Its lane, made where there is none."""
        return self.lane(message.envelope.session_id if self._has_sessions else None)

    def lane(self, name: str | None) -> Lane:
        """A lane by its name, made where there is none."""
        found = self.lanes.get(name)
        if found is None:
            found = self.lanes[name] = Lane(name)
        return found

    def first_ready(self, lane: Lane) -> Message | None:
        """The next message of a lane, still in its place."""
        while lane.ready:
            message = self.messages.get(lane.ready[0])
            if message is not None and message.state is State.ACTIVE and message.lock is None:
                return message
            heapq.heappop(lane.ready)
        return None

    def tidy(self, lane: Lane) -> None:
        """Forgets a session that holds nothing, is held by nobody and has no state."""
        if lane.id is None or lane.holder is not None or lane.state is not None:
            return
        if self.first_ready(lane) is None:
            self.lanes.pop(lane.id, None)

    def expired(self, now_ms: int) -> Iterator[Message]:
        """Messages whose time is over and that are in nobody's hands."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            message = self.messages.get(heapq.heappop(self._expiring)[1])
            if message is not None and message.lock is None and message.expires_ms is not None:
                yield message

    def next_expiry_ms(self) -> int | None:
        """When the next message expires; it may be gone by then."""
        return self._expiring[0][0] if self._expiring else None

    def _compact(self) -> None:
        if len(self._expiring) > 2 * len(self.messages) + 1000:
            self._expiring = sorted(
                (each.expires_ms, each.sequence) for each in self.messages.values() if each.expires_ms is not None
            )
