"""The kernel: wakes one agent for its events, commits what they change, lets it sleep.

Fed by a host with turns from the bus (`messaging/ports.py`); calls the agent's handler, the context server for the
commit, and the bus again for the relay. `deliver` is the whole way of an event on one screen.
"""

import asyncio
import logging
from functools import partial
from typing import Any

from AgentOperatingSystem.errors import AOSError, Conflict, Duplicate, StateUnreadable, StoreUnavailable
from AgentOperatingSystem.events import Kind, Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.awake import Awake, Warm, Watch
from AgentOperatingSystem.orchestration.bells import Ring, bells_again
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.commits import Commits
from AgentOperatingSystem.orchestration.handling import Handling, Interrupted
from AgentOperatingSystem.orchestration.intake import intake
from AgentOperatingSystem.orchestration.outcomes import Outcomes
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.registry import AgentType
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import EventRow

RACES_MAX = 20
_log = logging.getLogger(__name__)


class Kernel:
    """Applies each event to its agent's state exactly once, whatever crashes, is delivered again or competes."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.outcomes = Outcomes()
        self.warm = Warm(parts.warm_agents_max)
        self.watch = Watch()
        self._handling = Handling(parts, self.watch)
        self._turning: dict[AgentId, asyncio.Task[Any]] = {}
        """Who is at work on which agent on this host."""

    async def deliver(self, turn: Turn) -> None:
        """One waking of one agent for the messages of one turn; returns when they are settled.

        Raises `StoreUnavailable` where the store or the broker cannot be reached: the broker delivers the turn again.
        """
        while (other := self._turning.get(turn.agent)) is not None:
            await asyncio.wait([other])  # the broker's lock was lost, and the first holder is still at work here
        task = asyncio.current_task()
        assert task is not None
        self._turning[turn.agent] = task
        try:
            await self._deliver(turn)
        finally:
            del self._turning[turn.agent]

    async def _deliver(self, turn: Turn) -> None:
        """The whole way. What a turn that fails has made of the agent in memory is dropped with it, and read again."""
        applied: dict[str, EventRow] = {}
        paid: set[str] = set()
        for race in range(RACES_MAX):
            try:
                awake = await self._awaken(turn.agent)  # 1  the head and its ETag: no read while it is warm
                commits = self._opened(awake, turn, applied, paid)
                await self._handle(awake, commits, turn, applied, race)  # 2, 3  drop what is applied, handle the rest
                await commits.pay()  # what was committed before leaves before what comes now
                relayed = await self._commit(awake, commits, turn)  # 4  THE COMMIT. Before it nothing has happened;
                break  #                                                   after it everything has.
            except (Conflict, Interrupted):
                continue  # another writer was faster, or control changed: read again
            except Duplicate as duplicate:
                applied.update(await self._recorded(turn.agent, duplicate.keys))
        else:
            _log.warning("%s: lost %d races in a row; the turn goes back to the broker", turn.agent, RACES_MAX)
            await self.parts.bus.release(turn, after_seconds=1.0)
            return
        work = commits.work
        self._fall_asleep(turn.agent, awake)
        if not relayed:
            again = await self._bells_again(turn, work, applied)
            await self._relay(again + work.outputs(), turn)  # 5  relay, then settle
        awake.owed = ()
        for row in (*work.inserts, *work.updates, *applied.values()):
            self.outcomes.tell(turn.agent, row)

    async def awaken_fresh(self, agent: AgentId) -> ContextMCPServer:
        """A context server of `agent` with its head just read; for reading and for control."""
        server = self._server(agent)
        await server.initialize()
        return server

    # --- 1 awaken -------------------------------------------------------------------------------------------

    async def _awaken(self, agent: AgentId) -> Awake:
        return self.warm.take(agent) or await self._wake(agent)

    def _fall_asleep(self, agent: AgentId, awake: Awake) -> None:
        awake.fresh = False
        if self.parts.registry.is_current(awake.kind):  # what is broken or replaced is made anew at its next event
            self.warm.put(agent, awake)

    async def _wake(self, agent: AgentId) -> Awake:
        begun = self.parts.clock.now()
        awake = await self._rehydrate(agent)
        metrics.histogram("agent.wake.duration", max(0.0, self.parts.clock.now() - begun))
        return awake

    async def _rehydrate(self, agent: AgentId) -> Awake:
        """One read. An agent that cannot be made or read is awake all the same, broken: its events are put aside."""
        server = await self.awaken_fresh(agent)
        try:
            kind = self.parts.registry.get(agent)
            content = await server.state_bytes()
            awake = Awake(
                kind, kind.make(agent), server, content, content, kind.codec.decode(content, server.head.schema)
            )
        except StoreUnavailable:
            raise
        except AOSError as error:
            return Awake(None, None, server, b"", b"", None, broken=error)
        except (Exception, SystemExit) as error:
            broken = StateUnreadable(f"the agent object cannot be made: {type(error).__name__}: {error}")
            return Awake(None, None, server, b"", b"", None, broken=broken)
        assert awake.agent is not None
        awake.agent.state = awake.state
        awake.agent.context_server = self._server(
            agent
        )  # one of its own: what it reads must not move the kernel's fence
        awake.owed = server.head.unrelayed
        return awake

    def _server(self, agent: AgentId) -> ContextMCPServer:
        parts = self.parts
        return ContextMCPServer(agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)

    # --- 2, 3 handle ----------------------------------------------------------------------------------------

    def _opened(self, awake: Awake, turn: Turn, applied: dict[str, EventRow], paid: set[str]) -> Commits:
        """What this turn will change, and its way to the store."""
        parts = self.parts
        work = Work(awake.server.head, parts.clock.now(), _is_strict(awake.kind), parts.rules, parts.limits)
        pay = partial(self._pay, awake, turn, applied, paid)
        return Commits(parts, awake, work, pay, partial(self.outcomes.tell, turn.agent))

    async def _handle(
        self, awake: Awake, commits: Commits, turn: Turn, applied: dict[str, EventRow], race: int
    ) -> None:
        """Runs the handler on each event in hand; the next one sees the uncommitted state of the one before."""
        work = commits.work
        arrivals = await self._arrivals(awake, turn, applied, look=race > 0 or turn.deliveries > 1)
        rings = len(arrivals) < len(turn.messages) and any(message.kind is Kind.DOORBELL for message in turn.messages)
        switched = self.parts.switches.why(turn.agent)
        try:
            for case in await intake(
                self.parts.store, work, arrivals, applied, rings=rings, broken=awake.broken, switched=switched
            ):
                await commits.make_room()
                await self._handling.handle(awake, commits, case)
        except BaseException:
            commits.abandon()
            raise

    async def _arrivals(self, awake: Awake, turn: Turn, applied: dict[str, EventRow], *, look: bool) -> list[Case]:
        """The turn's events, less those that are known to be applied and second copies within the turn.

        A turn that was handed out before, or lost a race, is looked up first (`look`), so that what is finished or was
        cancelled does not run again.
        """
        fresh: dict[str, Case] = {}
        for message in turn.messages:
            if message.event is None:
                continue
            key = message.event.key
            if (look or key in awake.recent) and key not in applied:
                applied.update(await self._recorded(turn.agent, (key,)))
            if key not in applied and key not in fresh:
                fresh[key] = Case(message.event, None, key, message.fingerprint, carried=True, aside=message.aside)
        return list(fresh.values())

    async def _recorded(self, agent: AgentId, keys: tuple[str, ...]) -> dict[str, EventRow]:
        rows = [await self.parts.store.event(agent, key) for key in keys]
        return {row.key: row for row in rows if row is not None}

    # --- 4 commit -------------------------------------------------------------------------------------------

    async def _commit(self, awake: Awake, commits: Commits, turn: Turn) -> bool:
        """Commits what there is to commit; says whether outputs are sent and the turn is settled already."""
        if commits.work.touched:
            return await commits.commit(turn.receipts)
        await self._confirm(awake)
        return False

    async def _confirm(self, awake: Awake) -> None:
        """That there is nothing to do is true only of the agent as it is now: no fence would tell that a copy from
        memory is out of date. Raises `Conflict`.
        """
        if awake.fresh:
            return
        found = await self.parts.store.load(awake.server.agent)
        if (found[1] if found else "") != awake.server.etag:
            raise Conflict(f"{awake.server.agent}: another host has moved on")

    # --- 5 relay --------------------------------------------------------------------------------------------

    async def _pay(self, awake: Awake, turn: Turn, applied: dict[str, EventRow], paid: set[str]) -> None:
        """Sends what earlier turns committed and perhaps never sent, in the order of their commits: of the events that
        this turn brings again, and of those that no message would bring again (they were parked, or are a timer's
        runs).
        """
        if not awake.owed and not applied:
            return
        known = awake.server.head.version
        if any(row.outputs and row.version > known for row in applied.values()):
            raise Conflict(f"{awake.server.agent}: another host committed while this one read what is applied")
        rows = await self._recorded(awake.server.agent, tuple(key for key in awake.owed if key not in paid))
        rows |= {key: row for key, row in applied.items() if key not in paid and key not in rows}
        outputs = [message for row in _as_handled(rows, awake.owed, turn) for message in row.outputs]
        if outputs:
            await self.parts.bus.send(outputs)
        paid.update(rows)
        awake.owed = ()

    async def _bells_again(self, turn: Turn, work: Work, applied: dict[str, EventRow]) -> list[Message]:
        """The bells that an earlier delivery of this turn may have lost, and those for which a bell came too early, by
        another host's clock.
        """
        early_seconds = max((message.due - work.now for message in turn.messages if message.event is None), default=0.0)
        if applied or turn.deliveries > 1 or early_seconds > 0 or any(message.thorough for message in turn.messages):
            ring = Ring(work.now, max(0.0, early_seconds), work.strict)
            return await bells_again(self.parts.store, turn.agent, ring)
        return []

    async def _relay(self, messages: list[Message], turn: Turn) -> None:
        """Sends, then settles: a crash between the two sends again, with the same ids."""
        if messages:
            await self.parts.bus.send(messages)
        await self.parts.bus.settle(turn)


def _as_handled(rows: dict[str, EventRow], owed: tuple[str, ...], turn: Turn) -> list[EventRow]:
    """Rows in the order in which their events were handled: by commit, and within one as its head has it, then as their
    messages came.
    """
    keys = dict.fromkeys((*owed, *(message.event.key for message in turn.messages if message.event is not None)))
    place = {key: number for number, key in enumerate(keys)}
    return sorted(rows.values(), key=lambda row: (row.version, place.get(row.key, -1)))


def _is_strict(kind: AgentType | None) -> bool:
    return kind is not None and kind.strict
