"""Schedules from outside of any turn: listed, made and cancelled by people. Agents have `context.schedule` and
`context.cancel`.

A schedule is a timer row of its agent (`agents/timers.py`); making one is a commit of its own with the bell for its
first run.
"""

from typing import Any

import msgspec

from AgentOperatingSystem.agents.timers import TIMER, Timer, new_schedule
from AgentOperatingSystem.errors import AgentTerminated, Conflict, UnknownSchedule
from AgentOperatingSystem.events import Message, doorbell, encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.control import RACES_MAX, commit_and_ring
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Change, Control, Page, Row

HEADS_MAX = 10_000
"""How many agents one page of all schedules looks at."""
_timer = msgspec.json.Decoder(Timer)
_replace = msgspec.structs.replace


class ScheduleDesk:
    """Lists, makes and cancels schedules."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def of(self, agent: AgentId) -> list[Timer]:
        """All schedules of one agent, by name."""
        return [timer for timer in await self._timers(agent) if not timer.request]

    async def all(self, tenant: str, after: str = "", limit: int = 100) -> Page[tuple[AgentId, Timer]]:
        """Schedules of all agents, by address. A page ends with an agent, so it may be longer than `limit`, or empty
        before the end.
        """
        found: list[tuple[AgentId, Timer]] = []
        for _ in range(0, HEADS_MAX, 1000):
            page = await self._parts.store.agents(tenant, "", after, 1000)
            for head in page.items:
                after = head.agent.partition
                if head.next_tick:
                    found += [(head.agent, timer) for timer in await self.of(head.agent)]
                if len(found) >= limit:
                    return Page(tuple(found), after)
            if not page.after:
                return Page(tuple(found))
            after = page.after
        return Page(tuple(found), after)

    async def put(
        self,
        agent: AgentId,
        name: str,
        *,
        at: float | None,
        cron: str,
        timezone: str,
        missed: str,
        type: str,
        data: Any,
    ) -> tuple[Timer, bool]:
        """Makes or replaces a schedule; answers it, and whether anything changed. The same again changes nothing.

        Raises `InvalidSchedule`, `UnknownAgent`, `AgentTerminated`.
        """
        self._parts.registry.check_recipient(agent)
        now = self._parts.clock.now()
        timer = new_schedule(name, at=at, cron=cron, timezone=timezone, missed=missed, type=type, data=data, now=now)
        for _ in range(RACES_MAX):
            server = await self._server(agent)
            known = next((found for found in await self._timers(agent) if found.name == name), None)
            if known is not None and known.same_as(timer):
                return known, False
            try:
                await self._write(server, Row(TIMER, name, encode(timer)), timer)
                return timer, True
            except Conflict:
                continue
        raise _too_busy(agent)

    async def cancel(self, agent: AgentId, name: str) -> Timer:
        """Cancels a schedule and answers what it was. Raises `UnknownSchedule`, `AgentTerminated`."""
        for _ in range(RACES_MAX):
            server = await self._server(agent)
            timer = next((found for found in await self.of(agent) if found.name == name), None)
            if timer is None:
                raise UnknownSchedule(f"{agent} has no schedule {name[:80]!r}")
            try:
                await self._write(server, Row(TIMER, name, None), None)
                return timer
            except Conflict:
                continue
        raise _too_busy(agent)

    async def _server(self, agent: AgentId) -> ContextMCPServer:
        server = await self._kernel.awaken_fresh(agent)
        if server.head.control is Control.TERMINATED:
            raise AgentTerminated(f"{agent} was terminated; it has no schedules any more")
        return server

    async def _timers(self, agent: AgentId) -> list[Timer]:
        found: list[Timer] = []
        after = ""
        while True:
            page = await self._parts.store.rows(agent, TIMER, after=after, limit=1000)
            found += [_timer.decode(row.value) for row in page.items if row.value is not None]
            after = page.after
            if not after:
                return found

    async def _write(self, server: ContextMCPServer, row: Row, timer: Timer | None) -> None:
        """Commits one timer's row, with the head that knows when the first of all timers is due."""
        others = [found for found in await self._timers(server.agent) if found.name != row.name]
        now, version = self._parts.clock.now(), server.head.version + 1
        head = _replace(
            server.head,
            version=version,
            next_tick=min((found.due for found in (*others, timer) if found is not None), default=0.0),
            created_at=server.head.created_at or now,
            updated_at=now,
        )
        change = Change(head=head, etag=server.etag, rows=(row,), outputs=_bells(server.agent, timer, now))
        await commit_and_ring(self._parts, self._kernel, server, change, "schedule")


def _bells(agent: AgentId, timer: Timer | None, now: float) -> tuple[Message, ...]:
    """The bell for a timer's first run; the commit's own bell is enough for one that is due already."""
    return (doorbell(agent, timer.due, "tick"),) if timer is not None and timer.due > now else ()


def _too_busy(agent: AgentId) -> Conflict:
    return Conflict(f"{agent}: lost the race for the head {RACES_MAX} times; the agent is too busy")
