"""Cancelling one event, wherever it is: queued, in a handler's hands, parked, waiting, in doubt or put aside.

Takes effect at the next step boundary of a turn that has it in hand, whose model call is broken off; what it did before
is done, and its steps stay for whoever looks.
"""

from AgentOperatingSystem.errors import Conflict, Duplicate, IllegalTransition, UnknownEvent
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.control import RACES_MAX, commit_and_ring
from AgentOperatingSystem.orchestration.decisions import End
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.outside import change_event, let_go
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.resuming import work_outside
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import ENDS, EventRow, Status


class CancelDesk:
    """Cancels events."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def cancel(self, agent: AgentId, source: str, event_id: str, reason: str = "") -> EventRow:
        """Ends the event as cancelled; cancelling twice is the same as once.

        Raises `IllegalTransition` where it has ended otherwise, `UnknownEvent`.
        """
        probe = Event(type="aos.probe", source=source, id=event_id, agent=agent)
        why = f"cancelled: {reason}" if reason else "cancelled"
        for _ in range(RACES_MAX):
            if await self._parts.store.event(agent, probe.key) is not None:
                return await self._cancel_known(agent, probe.key, why)
            try:
                return await self._cancel_queued(agent, probe, why)
            except (Conflict, Duplicate):
                continue
        raise Conflict(f"{agent}: lost the race for the head {RACES_MAX} times; the agent is too busy")

    async def _cancel_known(self, agent: AgentId, key: str, why: str) -> EventRow:
        async def decide(work: Work, case: Case, row: EventRow) -> None:
            if row.status is Status.CANCELLED:
                return
            if row.status in ENDS:
                raise IllegalTransition(f"event {row.event.id!r} of {agent} has ended already: it is {row.status}")
            await let_go(self._parts, work, row)
            work.end(case, End(Status.CANCELLED, why))

        return await change_event(self._parts, self._kernel, agent, key, "cancel", decide)

    async def _cancel_queued(self, agent: AgentId, probe: Event, why: str) -> EventRow:
        """An event that no turn has committed anything of: its row is its end, and the turn that has it in hand, or
        will, finds it there.
        """
        parts = self._parts
        message = await parts.bus.find(event_message(probe).id)
        if message is None or message.event is None:
            if await parts.store.event(agent, probe.key) is not None:
                raise Conflict("the event was taken in hand while it was looked for")
            raise UnknownEvent(f"{agent} has no event {probe.id!r} from {probe.source!r}")
        server = await self._kernel.awaken_fresh(agent)
        work = work_outside(parts, agent, server.head)
        work.end(Case(message.event, None, probe.key, message.fingerprint), End(Status.CANCELLED, why))
        (row,) = work.inserts
        await commit_and_ring(parts, self._kernel, server, work.change(server.head, server.etag, ()), "cancel")
        self._kernel.watch.interrupt(agent)
        self._kernel.outcomes.tell(agent, row)
        return row
