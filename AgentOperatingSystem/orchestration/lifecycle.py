"""The lifecycle manager: an agent's control state, as data, changed from outside.

Control does not queue: it changes the head, and a turn that runs meanwhile loses the race for the commit, reads again
and obeys. The legal moves stand in one table; Running and Sleeping are derived, never written.
"""

from typing import Final

import msgspec

from AgentOperatingSystem.agents.steps import STEP
from AgentOperatingSystem.errors import AgentTerminated, Conflict, IllegalTransition, UnknownAgent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.archive import KINDS
from AgentOperatingSystem.orchestration.control import RACES_MAX, commit_and_ring
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.reliability import StateMachine
from AgentOperatingSystem.storage.records import STATE, Change, Control, EventRow, Head, Row, Status

STATES: Final = ("created", "initialized", "running", "sleeping", "paused", "stopped", "terminated")
_LIVE: Final = ("created", "initialized", "running", "sleeping")
MOVES: Final = (
    ("created", "initialize", "initialized"),
    ("initialized", "start", "running"),
    ("created", "start", "created"),
    ("created", "resume", "created"),
    ("sleeping", "start", "sleeping"),
    ("running", "start", "running"),
    ("sleeping", "wake", "running"),
    ("running", "idle", "sleeping"),
    *((state, "pause", "paused") for state in (*_LIVE, "paused")),
    *((state, "resume", "sleeping") for state in ("paused", "sleeping", "running", "initialized")),
    *((state, "stop", "stopped") for state in (*_LIVE, "paused", "stopped")),
    ("stopped", "start", "sleeping"),
    *((state, "terminate", "terminated") for state in (*_LIVE, "paused", "stopped", "terminated")),
)
"""Every legal move. Asking for what is already so is legal and changes nothing."""
_CONTROL: Final = {"paused": Control.PAUSED, "stopped": Control.STOPPED, "terminated": Control.TERMINATED}
_DELETES_MAX: Final = 90
_KINDS: Final = (*KINDS, STEP, STATE)
_replace = msgspec.structs.replace


def state_of(head: Head | None, *, running: bool) -> str:
    """The lifecycle state that a head and a look at this host's turns amount to."""
    if head is None:
        return "running" if running else "created"
    if head.control is not Control.ACTIVE:
        return head.control.value
    if running:
        return "running"
    return "sleeping" if head.handled else "initialized"


class Lifecycle:
    """Pause, resume, stop, start, terminate."""

    def __init__(self, parts: Parts, kernel: Kernel) -> None:
        self._parts = parts
        self._kernel = kernel

    async def state(self, agent: AgentId) -> str:
        """One of `STATES`. Raises `UnknownAgent` where there is neither a head nor a registered type."""
        server = await self._kernel.awaken_fresh(agent)
        return self._state(agent, server)

    async def control(self, agent: AgentId, action: str, reason: str = "") -> str:
        """Does `action` (pause, resume, stop, start, terminate) and answers the new state.

        Raises `IllegalTransition`, `AgentTerminated`, `UnknownAgent`.
        """
        for _ in range(RACES_MAX):
            server = await self._kernel.awaken_fresh(agent)
            before = self._state(agent, server)
            after = _moved(agent, before, action)
            if after == before or (after in _LIVE and before in _LIVE):
                return after
            try:
                await self._commit(server, action, after, reason)
            except Conflict:
                continue
            if after in ("stopped", "terminated"):
                self._kernel.watch.interrupt(agent)
            return after
        raise Conflict(f"{agent}: lost the race for the head {RACES_MAX} times; the agent is too busy to {action}")

    async def purge(self, agent: AgentId) -> None:
        """Deletes everything of a terminated agent but its tombstone; who waits for an event of it is told.

        Raises `IllegalTransition` where the agent is not terminated.
        """
        store = self._parts.store
        while True:
            server = await self._kernel.awaken_fresh(agent)
            if server.head.control is not Control.TERMINATED:
                raise IllegalTransition(
                    f"{agent} is not terminated: terminate it first, then delete what is left of it"
                )
            events = (await store.events(agent, limit=_DELETES_MAX)).items
            rows = [row for kind in _KINDS for row in (await store.rows(agent, kind, limit=_DELETES_MAX)).items]
            rows = rows[: _DELETES_MAX - len(events)]
            bare = _replace(server.head, state=b"", state_blob="", backlog=0, next_tick=0.0, unrelayed=())
            if not events and not rows and bare == server.head:
                return
            try:
                await self._delete(server, bare, events, rows)
            except Conflict:
                continue  # a turn has just cancelled what waited: look again

    async def _delete(
        self, server: ContextMCPServer, bare: Head, events: tuple[EventRow, ...], rows: list[Row]
    ) -> None:
        """One commit's worth; what a deleted row had still to send leaves before it."""
        owed = [message for row in events if row.key in server.head.unrelayed for message in row.outputs]
        if owed:
            await self._parts.bus.send(owed)
        head = _replace(bare, version=bare.version + 1)
        gone = tuple(_replace(row, value=None) for row in rows)
        await server.commit(Change(head=head, etag=server.etag, deletes=tuple(row.key for row in events), rows=gone))
        for row in events:
            if row.status is Status.PARKED:
                ended = _replace(row, status=Status.CANCELLED, reason="the agent was terminated and deleted")
                self._kernel.outcomes.tell(server.agent, ended)

    def _state(self, agent: AgentId, server: ContextMCPServer) -> str:
        if not server.etag:
            self._parts.registry.check_recipient(agent)
        return state_of(server.head if server.etag else None, running=self._kernel.watch.is_running(agent))

    async def _commit(self, server: ContextMCPServer, action: str, after: str, reason: str) -> None:
        """The head's new control, its entry in the history, and the bells that it makes due."""
        agent, now = server.agent, self._parts.clock.now()
        head = _replace(
            server.head,
            version=server.head.version + 1,
            control=_CONTROL.get(after, Control.ACTIVE),
            reason=reason if after in _CONTROL else "",
            backoff_until=0.0,
            outages=0,
            updated_at=now,
        )
        entry = _entry(agent, action, reason, head.version, now)
        change = Change(head=head, etag=server.etag, inserts=(entry,))
        await commit_and_ring(self._parts, self._kernel, server, change, action)


def _moved(agent: AgentId, before: str, action: str) -> str:
    """The state that `action` leads to."""
    if before == "terminated" and action != "terminate":
        raise AgentTerminated(f"{agent} was terminated; nothing can be done with it any more")
    machine = StateMachine(list(STATES), list(MOVES), initial=before)
    try:
        machine.fire(action)
    except IllegalTransition as error:
        raise IllegalTransition(f"{agent}: {error}") from None
    return str(machine.state)


def _entry(agent: AgentId, action: str, reason: str, version: int, now: float) -> EventRow:
    """The control operation as a row of the agent's history: who reads the history sees it among the events."""
    event = Event(
        type=f"aos.agent.{action}",
        source="/control",
        id=f"{action}-{version}",
        time=now,
        data={"reason": reason} if reason else None,
        agent=agent,
        tenant=agent.tenant,
    )
    return EventRow(key=event.key, event=event, version=version, accepted_at=now, finished_at=now)


def known_or_raise(agent: AgentId, found: bool) -> None:
    """Raises `UnknownAgent` where an instance was never woken."""
    if not found:
        raise UnknownAgent(f"{agent} has never been woken: it has no state and no history yet")
