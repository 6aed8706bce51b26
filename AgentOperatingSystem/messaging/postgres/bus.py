"""`MessageBus` in the database that keeps the agents' state, for several hosts.

The kernel's pump takes turns; the store's commits send and settle in their own transaction (`carry`). A turn is claimed
under a lease, so that an agent has one at a time over all hosts; a dead host's turns are handed out again when its
lease has run out. The commit's fence is what makes a lease that was lost harmless.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import Overloaded, StoreUnavailable
from AgentOperatingSystem.events import Event, Kind, Message, event_message
from AgentOperatingSystem.ids import AgentId, is_of
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.postgres import queue
from AgentOperatingSystem.messaging.postgres.alarm import Alarm
from AgentOperatingSystem.messaging.postgres.callers import Callers
from AgentOperatingSystem.messaging.postgres.doorbell import Doorbell
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.storage.postgres.database import Database
from AgentOperatingSystem.storage.postgres.statements import OPEN_FENCE, Part, composed

PATROL_SECONDS: Final = 1.0
_event: Final = msgspec.json.Decoder(Event)
_message: Final = msgspec.json.Decoder(Message)
_log = logging.getLogger(__name__)


class PostgresBus:
    """One host's hand at the shared queue. Make it within a running event loop; `turns` has one reader at a time.

    `copies` resolves a publication into one event per subscriber. A host that has not renewed its lease for
    `lease_seconds` is taken for dead.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        copies: Callable[[Event], Sequence[Event]],
        *,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        lease_seconds: float = 15.0,
    ) -> None:
        self.host = uuid4().hex
        self.watchers = Watchers()
        """Told of publications, under the name `PUBLICATIONS`."""
        self._database = database
        self._clock = clock
        self._copies = copies
        self._turn_events_max = turn_events_max
        self._pending_max = pending_max
        self._lease_seconds = lease_seconds
        self._waiting = 0
        """How many messages wait in the database or are in a turn: what was seen last, and what was done since."""
        self._ready: deque[Turn] = deque()
        self._held: dict[AgentId, Turn] = {}
        """Turns that this host has claimed and not ended."""
        self._crashes: dict[str, int] = {}
        """How many hosts died with a message of a turn in their hands, by message id."""
        self._callers = Callers(database)
        self._look = True
        """Whether something may wait that this host has not seen."""
        self._rings = 0
        """How often somebody said that something may wait."""
        self._settled_at: dict[AgentId, int] = {}
        """`_rings` when the settling of a turn began."""
        self._news = asyncio.Event()
        self._others = 0
        """How many other hosts live."""
        self._unheld: set[str] = set()
        """Leases of this host that the last patrol found without a turn."""
        self._base = 0
        self._alarm = Alarm(clock, lambda: self._begin(self._promote()))
        self._doorbell = Doorbell(database, self.host, self._look_again)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def open(self) -> None:
        """Takes its place among the hosts, and takes over what dead ones left."""
        await self._database.write(queue.RENEW, (self.host, self._lease_seconds))
        await self._database.write(queue.REBASE, ())
        self._base = (await self._database.read(queue.BASE))[0][0]
        await self._look_around()
        self._doorbell.open()
        self._begin(self._renew_forever())
        self._begin(self._patrol_forever())

    # --- MessageBus -------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        await self._send(messages, owner="")

    async def offer(self, message: Message) -> None:
        """Keeps the message as `send` does; this host alone takes it, for its caller waits here for the outcome."""
        self._callers.waits_for(message)
        try:
            await self._send([message], owner=self.host)
        except BaseException:
            self._callers.leaves(message.id)
            raise

    async def keep(self, message: Message) -> None:
        """An offered message is kept already; from now on any host may take it."""
        if self._callers.leaves(message.id):
            await self._database.write(queue.DISOWN, (message.id,))
            self._tell_others()

    def waiting(self, message_id: str) -> Message | None:
        """Only of what is in a turn of this host; `find` sees everything."""
        for turn in self._held.values():
            if message_id in turn.receipts:
                return turn.messages[turn.receipts.index(message_id)]
        return None

    async def find(self, message_id: str) -> Message | None:
        found = await self._database.read("SELECT record FROM queue WHERE id = $1", message_id)
        return _message.decode(found[0][0]) if found else None

    async def turns(self) -> AsyncIterator[Turn]:
        while not self._closed:
            if self._ready:
                yield self._ready.popleft()
            elif self._look:
                self._look = False
                await self._claim()
            else:
                self._news.clear()
                await self._news.wait()

    async def settle(self, turn: Turn) -> None:
        if self._held.get(turn.agent) is turn:
            answer = await self._database.write(*composed(*self._settling(turn.agent, turn.receipts)))
            self._done(turn.agent, turn.receipts, answer)
        else:
            await self._database.write(*composed([OPEN_FENCE, queue.taken(turn.receipts)], "SELECT 1"))
            self._done(turn.agent, turn.receipts, ())

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        """The lease stays meanwhile, so that nothing overtakes what comes again."""
        asyncio.get_running_loop().call_later(after_seconds, lambda: self._begin(self._again(turn)))

    def begins(self, message_id: str) -> int:
        """As the port says. Of an event that was parked, the crashes under its agent's bell count; the first event of
        a turn gets them.
        """
        if not self._crashes:
            return 0
        turns = (turn for turn in self._held.values() if turn.alone and is_of(message_id, turn.agent.partition))
        bell = next((turn.receipts[0] for turn in turns if turn.messages[0].event is None), "")
        return self._crashes.get(message_id, 0) or self._crashes.pop(bell, 0)

    def ended(self, message_id: str) -> None:
        """Nothing was noted: the lease knows what its host has in hand."""

    async def close(self) -> None:
        """Gives back what no turn has ended, so that another host need not wait for the lease to run out."""
        if self._closed:
            return
        self._closed = True
        self._news.set()
        self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._doorbell.close()
        try:
            await self._database.write(queue.LEAVE, (self.host,))
        except StoreUnavailable as error:
            _log.warning("could not say good-bye (%s); the lease runs out by itself", error)

    # --- beyond the port --------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many messages wait for a turn or are in one, on all hosts, as seen within the last second."""
        return self._waiting

    @property
    def commits(self) -> int:
        """How many transactions this host has sent that write."""
        return self._database.statements

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Publications of a tenant with their numbers, in an order in which none is missed, behind number `after`."""
        found = await self._database.read(queue.PUBLICATIONS, self._base, after, tenant, limit)
        return [(seq, _event.decode(record)) for seq, record in found]

    async def last_publication(self) -> int:
        """The number of the latest publication of all tenants; 0 where there is none."""
        return int((await self._database.read(queue.LAST_PUBLICATION, self._base))[0][0])

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Deletes publications that were made before `before` (UTC seconds), the oldest first, at most `limit`."""
        await self._database.write(queue.PRUNE, (before, limit))

    # --- Outbox: in the commit's own transaction --------------------------------------------------------------------

    def carry(self, agent: AgentId, messages: Sequence[Message], receipts: Sequence[str]) -> tuple[list[Part], str]:
        parts = self._sending(messages, "")
        if not receipts:
            return parts, ""
        settling, answer = self._settling(agent, receipts)
        return [*parts, *settling[1:]], answer

    def carried(
        self, agent: AgentId, messages: Sequence[Message], receipts: Sequence[str], answer: Sequence[Any]
    ) -> None:
        if messages:
            self._sent(messages)
        if receipts:
            self._done(agent, receipts, answer)

    # --- sending ----------------------------------------------------------------------------------------------------

    async def _send(self, messages: Sequence[Message], owner: str) -> None:
        is_work = any(message.kind is not Kind.DOORBELL for message in messages)
        if is_work and self._waiting >= self._pending_max:  # control must get through to a full system
            raise Overloaded(f"{self._waiting} events wait already; max_pending_events is {self._pending_max}", 1.0)
        parts = self._sending(messages, owner)
        if parts:
            await self._database.write(*composed([OPEN_FENCE, *parts], "SELECT 1"))
        self._sent(messages)

    def _sending(self, messages: Sequence[Message], owner: str) -> list[Part]:
        """The parts that keep messages and publications."""
        load: list[Message] = []
        publications: list[tuple[str, Event]] = []
        for message in messages:
            if message.kind is Kind.PUBLICATION and message.event is not None:
                publications.append((message.id, message.event))
                load += [event_message(copy) for copy in self._copies(message.event)]
            else:
                load.append(message)
        parts = [queue.put(owner, load, self._clock.now())] if load else []
        return [*parts, queue.publish(self._base, publications)] if publications else parts

    def _sent(self, messages: Sequence[Message]) -> None:
        now = self._clock.now()
        self._waiting += sum(message.due <= now for message in messages)
        for message in messages:
            if message.due > now:
                self._alarm.at(message.due)
        self._look_again()
        self._tell_others()

    def _tell_others(self) -> None:
        if self._others:
            self._doorbell.ring()

    # --- turns ------------------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        self._look = True
        self._rings += 1
        self._news.set()
        self.watchers.notify(PUBLICATIONS)

    async def _claim(self) -> None:
        values = (self.host, self._turn_events_max, queue.SEEN_MAX)
        try:
            found = await self._database.write(queue.CLAIM, values)
        except StoreUnavailable as error:
            _log.warning("could not look for turns (%s); looking again in a second", error)
            return
        self._look |= bool(found) and found[0][5] >= queue.SEEN_MAX
        by_agent: dict[str, list[Any]] = {}
        for row in found:
            by_agent.setdefault(row[0], []).append(row)
        for rows in by_agent.values():
            self._hand_out(rows)

    def _hand_out(self, rows: Sequence[Any]) -> None:
        """Makes a turn of rows of one agent: agent, record, deliveries, crashes."""
        messages = tuple(_message.decode(row[1]) for row in rows)
        receipts = tuple(message.id for message in messages)
        crashes = {message.id: row[3] for message, row in zip(messages, rows, strict=True) if row[3]}
        self._crashes |= crashes
        agent = AgentId.from_partition(rows[0][0])
        turn = Turn(agent, messages, receipts, rows[0][2] + 1, alone=bool(crashes))
        self._held[agent] = turn
        self._ready.append(turn)
        self._news.set()

    def _settling(self, agent: AgentId, receipts: Sequence[str]) -> tuple[list[Part], str]:
        parts = [OPEN_FENCE, queue.taken(receipts)]
        if agent not in self._held:
            return parts, ""
        self._settled_at[agent] = self._rings
        parts += queue.turn_over(self.host, agent.partition, receipts, self._turn_events_max)
        return parts, queue.NEXT

    def _done(self, agent: AgentId, receipts: Sequence[str], answer: Sequence[Any]) -> None:
        """A turn's messages are consumed; `answer` holds the agent's next ones, under the same lease."""
        self._waiting = max(0, self._waiting - len(receipts))
        for receipt in receipts:
            self._crashes.pop(receipt, None)
        self._callers.ended(receipts)
        turn = self._held.get(agent)
        if turn is None or set(turn.receipts).isdisjoint(receipts):
            return
        del self._held[agent]
        rows = self._following(answer)
        rang = self._settled_at.pop(agent, -1) != self._rings
        if rows and not self._closed:
            self._hand_out(rows)
        elif rang:
            self._look_again()  # something may have come for it while the lease was being given back

    def _following(self, answer: Sequence[Any]) -> list[Any]:
        """The rows of an agent's next turn, in order; where another host has to go on with it, that one is told."""
        rows = [row for row in answer if len(row) > 1]
        if any(row[1] is None for row in rows):
            self._doorbell.ring()
            return []
        return sorted(rows, key=lambda row: int(row[4]))

    async def _again(self, turn: Turn) -> None:
        if self._held.get(turn.agent) is not turn:
            return
        agent = turn.agent.partition
        parts = [OPEN_FENCE, *queue.turn_over(self.host, agent, (), self._turn_events_max)]
        try:
            await self._database.write(*composed([queue.handed_back(turn.receipts, turn.deliveries)], "SELECT 1"))
            rows = await self._database.write(*composed(parts, queue.NEXT))
        except StoreUnavailable as error:
            _log.warning("%s: a turn could not be given back (%s); trying again", turn.agent, error)
            await self.release(turn, PATROL_SECONDS)
            return
        self._held.pop(turn.agent, None)
        rows = self._following(rows)
        if rows:
            self._hand_out(rows)
        else:
            self._look_again()

    # --- scheduled messages -----------------------------------------------------------------------------------------

    async def _promote(self) -> None:
        """What is due gets its place among what waits."""
        try:
            await self._database.write(queue.PROMOTE, (self._clock.now(), queue.PROMOTED_MAX))
            found = await self._database.read("SELECT min(due) FROM queue WHERE due > 0")
        except StoreUnavailable as error:
            _log.warning("could not read what is due (%s); the patrol does", error)
            return
        self._look_again()
        if found[0][0] is not None:
            self._alarm.at(found[0][0])

    # --- hosts ------------------------------------------------------------------------------------------------------

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await self._database.write(queue.RENEW, (self.host, self._lease_seconds))
            except StoreUnavailable as error:
                _log.warning("could not renew this host's lease (%s); trying again", error)

    async def _patrol_forever(self) -> None:
        while True:
            await self._clock.sleep(min(PATROL_SECONDS, self._lease_seconds / 3))
            try:
                await self._look_around()
            except StoreUnavailable as error:
                _log.warning("could not look for dead hosts (%s); trying again", error)

    async def _look_around(self) -> None:
        found = await self._database.read(queue.LOOK, self.host, self._pending_max + 1)
        due, self._waiting, self._others, somebody_died, leases = found[0]
        if somebody_died:
            await self._database.write(queue.BURY, (self.host,))
        await self._let_go(set(leases) - {agent.partition for agent in self._held})
        if due is not None:
            self._alarm.at(due)
        self._ready += await self._callers.handled_elsewhere()
        self._look_again()

    async def _let_go(self, unheld: set[str]) -> None:
        """A claim whose answer was lost leaves a lease without a turn; twice found so, it is given back."""
        lost, self._unheld = unheld & self._unheld, unheld
        if lost:
            await self._database.write(queue.LET_GO, (self.host, sorted(lost)))

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
