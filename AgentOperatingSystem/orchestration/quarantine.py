"""The quarantine: events that are out of the way with their reason, until a person redrives, edits or drops them."""

from typing import Any

import msgspec

from AgentOperatingSystem.errors import Conflict, UnknownEvent
from AgentOperatingSystem.events import Event, fingerprint
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.control import RACES_MAX, commit_and_ring
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.routes import UNROUTED
from AgentOperatingSystem.storage.records import Change, EventRow, Page, Status

_replace = msgspec.structs.replace


class QuarantineDesk:
    """Lists, shows, redrives, edits and drops quarantined events."""

    def __init__(self, parts: Parts, kernel: Kernel, mailroom: Mailroom) -> None:
        self._parts = parts
        self._kernel = kernel
        self._mailroom = mailroom

    async def list(self, tenant: str, after: str = "", limit: int = 100) -> Page[EventRow]:
        """Quarantined events of all agents of a tenant. What waits for a verdict on a call is in `EffectsDesk.list`."""
        return await self._parts.store.find(tenant, Status.QUARANTINED, after, limit)

    async def show(self, agent: AgentId, key: str) -> EventRow:
        """One quarantined event. Raises `UnknownEvent`."""
        row = await self._parts.store.event(agent, key)
        if row is None or row.status is not Status.QUARANTINED:
            raise UnknownEvent(f"{agent} has no quarantined event {key!r}")
        return row

    async def redrive(self, agent: AgentId, key: str, data: Any = msgspec.UNSET) -> EventRow:
        """Puts the event back into its mailbox with all its attempts, or routes an unrouted one again; `data` replaces
        its payload.

        Raises `UnknownEvent` (redriving twice is refused the second time by that), `InvalidEvent`, `TooLarge`.
        """
        row = await self.show(agent, key)
        if agent.name == UNROUTED:
            return await self._route_again(row, data)
        event = _replace(row.event, generation=row.event.generation + 1, crashes=0)
        return await self._move(agent, key, Status.PARKED, "redriven", self._edited(event, data))

    async def drop(self, agent: AgentId, key: str, reason: str = "") -> EventRow:
        """Ends the event as cancelled; its row and its dedupe mark stay."""
        row = await self.show(agent, key)
        return await self._move(agent, key, Status.CANCELLED, f"dropped: {reason}" if reason else "dropped", row.event)

    async def _route_again(self, row: EventRow, data: Any) -> EventRow:
        """A new sending through the routes as they are now; only then the kept one ends."""
        event = self._edited(_replace(row.event, agent=None, generation=row.event.generation + 1), data)
        sent, _ = await self._mailroom.accept(event, sent_again=True)
        if sent.agent is not None and sent.agent.name == UNROUTED:
            return row
        assert row.event.agent is not None
        return await self._move(row.event.agent, row.key, Status.DONE, f"routed to {sent.agent}", row.event)

    async def _move(self, agent: AgentId, key: str, status: Status, reason: str, event: Event) -> EventRow:
        for _ in range(RACES_MAX):
            row = await self.show(agent, key)
            server = await self._kernel.awaken_fresh(agent)
            moved, change = self._moved(server, row, status, reason, event)
            try:
                await commit_and_ring(self._parts, self._kernel, server, change, "redrive")
            except Conflict:
                continue
            return moved
        raise Conflict(f"{agent}: lost the race for the head {RACES_MAX} times; the agent is too busy")

    def _moved(
        self, server: ContextMCPServer, row: EventRow, status: Status, reason: str, event: Event
    ) -> tuple[EventRow, Change]:
        now, head = self._parts.clock.now(), server.head
        parked = status is Status.PARKED
        head = _replace(
            head,
            version=head.version + 1,
            next_order=head.next_order + parked,
            backlog=head.backlog + parked,
            updated_at=now,
        )
        moved = _replace(
            row,
            event=event,
            fingerprint=row.fingerprint if event.data == row.event.data else fingerprint(event),
            status=status,
            reason=reason,
            order=head.next_order,
            blocking=parked,
            due=0.0,
            attempts=0 if parked else row.attempts,
            version=head.version,
            finished_at=0.0 if parked else now,
        )
        return moved, Change(head=head, etag=server.etag, updates=(moved,))

    def _edited(self, event: Event, data: Any) -> Event:
        return event if data is msgspec.UNSET else self._mailroom.stamp(_replace(event, data=data))
