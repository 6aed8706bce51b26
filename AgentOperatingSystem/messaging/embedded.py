"""The embedded bus: a broker in the same SQLite file as the agents' state.

Sends go into the `queue` table; what a commit sends and settles rides in the commit's own transaction (`carry`), so
that receive → commit → publish is one fsync. Mailboxes are in memory; the table is what a host that starts after a
crash reads again, of its own and of every dead host of the same folder.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import Overloaded, StoreUnavailable
from AgentOperatingSystem.events import Event, Kind, Message, event_message
from AgentOperatingSystem.ids import AgentId, is_of
from AgentOperatingSystem.messaging.hosts import HostLock, become_host, dead_hosts, is_host
from AgentOperatingSystem.messaging.inflight import InFlight, marked
from AgentOperatingSystem.messaging.mailboxes import Mailboxes
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.storage.sqlite.engine import Engine, Parameters, Statement

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS queue (
         seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, host TEXT NOT NULL, due REAL NOT NULL,
         record BLOB NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS queue_due ON queue (due) WHERE due > 0",
    """CREATE TABLE IF NOT EXISTS publications (
         seq INTEGER PRIMARY KEY, tenant TEXT NOT NULL, topic TEXT NOT NULL, at REAL NOT NULL, record BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS suspects (
         id TEXT PRIMARY KEY, crashes INTEGER NOT NULL, at REAL NOT NULL) WITHOUT ROWID""",
)
PUT: Final = Statement("INSERT INTO queue (id, host, due, record) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", 5)
PUBLISH: Final = Statement("INSERT INTO publications (tenant, topic, at, record) VALUES (?, ?, ?, ?)", 5)
TAKE: Final = Statement("DELETE FROM queue WHERE id = ?", 6)
ADOPT: Final = Statement("UPDATE queue SET host = ? WHERE host = ?", 6)
SUSPECT: Final = Statement(
    "INSERT INTO suspects VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET crashes = crashes + 1, at = excluded.at", 6
)
FORGET: Final = Statement("DELETE FROM suspects WHERE at < ?", 7)
PRUNE: Final = Statement(  # the newest stays, so that no number is given out twice
    """DELETE FROM publications WHERE seq IN (SELECT seq FROM publications
         WHERE at < ? AND seq < (SELECT max(seq) FROM publications) ORDER BY seq LIMIT ?)""",
    7,
)
CLEAR: Final = Statement("DELETE FROM suspects WHERE id = ?", 7)
TAKEOVER_SECONDS: Final = 1.0
ALARM_AGAIN_SECONDS: Final = 1.0
SUSPECT_SECONDS: Final = 600.0
"""How long a suspect that never comes again, because its sender gave up, is remembered; longer than any back-off."""
DUE_MAX: Final = 1000
"""How many scheduled messages are read at once."""

PUBLICATIONS: Final = "publications"
"""What a watcher of publications watches."""

Runs = list[tuple[Statement, Parameters]]
_encode = msgspec.json.Encoder().encode
_event: Final = msgspec.json.Decoder(Event)
_message: Final = msgspec.json.Decoder(Message)
_replace = msgspec.structs.replace
_log = logging.getLogger(__name__)


class EmbeddedBus:
    """`MessageBus` in the file of `engine`, and the `Outbox` of the store on the same file.

    `copies` resolves a publication into one event per subscriber. `caused_turns_max` is how many turns there may be at
    a time for events that other events have caused.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        clock: Clock,
        copies: Callable[[Event], Sequence[Event]],
        *,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        caused_turns_max: int = sys.maxsize,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._copies = copies
        self._folder = folder / "hosts"
        self._pending_max = pending_max
        self._mail = Mailboxes(turn_events_max, lambda: engine.under_way, caused_turns_max)
        engine.when_written = self._mail.ring
        self._stored: set[str] = set()
        """Ids of messages in the mailboxes that have a row in the table."""
        self._keeping: set[str] = set()
        """Those of them whose row is being written."""
        self._suspects: dict[str, int] = {}
        """How many hosts died while an event was in their handlers' hands, by message id."""
        self._forgiving: set[asyncio.Task[None]] = set()
        self.watchers = Watchers()
        """Told of publications, under the name `PUBLICATIONS`."""
        self._lock: HostLock = become_host(self._folder)
        self._marks = InFlight(self._lock.marks, slots=max(1024, 16 * turn_events_max))
        self._alarm: asyncio.TimerHandle | None = None
        self._patrol: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Takes over what dead hosts left, and begins to look after scheduled messages."""
        await self._take_over()
        await self._adopt_orphans()
        self._ring_when_due()
        self._patrol = asyncio.create_task(self._patrol_forever(), name="aos-patrol")

    # --- MessageBus -----------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        if any(message.kind is not Kind.DOORBELL for message in messages):  # control must get through to a full system
            self._check_room()
        runs, load = self.carry(messages, ())
        await self._engine.write(runs)
        self.carried(load, ())

    async def offer(self, message: Message) -> None:
        if message.due > self._clock.now():
            await self.send([message])
            return
        self._check_room()
        self._mail.add(message)

    async def keep(self, message: Message) -> None:
        unsure = message.id not in self._stored or message.id in self._keeping
        if message.id in self._mail.messages and unsure:
            await self._keep([message])
            if message.id not in self._mail.messages:  # it was settled meanwhile, by a commit that knew of no row
                await self._engine.write([(TAKE, (message.id,))])

    def waiting(self, message_id: str) -> Message | None:
        return self._mail.messages.get(message_id)

    async def find(self, message_id: str) -> Message | None:
        waiting = self._mail.messages.get(message_id)
        if waiting is not None:
            return waiting
        found = self._engine.read("SELECT record FROM queue WHERE id = ?", (message_id,))
        return _message.decode(found[0][0]) if found else None

    async def turns(self) -> AsyncIterator[Turn]:
        async for turn in self._mail.turns():
            yield _replace(turn, alone=self._is_suspected(turn.agent)) if self._suspects else turn

    async def settle(self, turn: Turn) -> None:
        runs = self._taken(turn.receipts)
        if runs:
            await self._engine.write(runs)
        self._done(turn.receipts)

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        asyncio.get_running_loop().call_later(after_seconds, self._mail.release, turn)

    def begins(self, message_id: str) -> int:
        self._marks.mark(message_id)
        return self._suspects.get(message_id, 0) if self._suspects else 0

    def ended(self, message_id: str) -> None:
        self._marks.clear(message_id)
        if self._suspects:
            self._forgive(message_id)

    async def close(self) -> None:
        """Keeps what was only offered and no turn has taken, then lets go of everything."""
        if self._closed:
            return
        self._closed = True
        self._mail.close()
        offered = [message for message in self._mail.messages.values() if message.id not in self._stored]
        if offered:
            await self._keep(offered)
        if self._alarm is not None:
            self._alarm.cancel()
        if self._patrol is not None:
            self._patrol.cancel()
        await asyncio.gather(*self._forgiving, return_exceptions=True)
        self._marks.close()  # this host ends in good order: nothing that it was handling is suspect
        self._lock.release(
            remove=not self._engine.read("SELECT 1 FROM queue WHERE host = ? LIMIT 1", (self._lock.host,))
        )

    def pending(self) -> int:
        """How many messages wait for a turn or are in one."""
        return len(self._mail)

    @property
    def commits(self) -> int:
        """How many transactions the file has seen from this process: each is one fsync."""
        return self._engine.commits

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Publications of a tenant with their numbers, in the order of their commits, behind number `after`."""
        found = await self._engine.scan(
            "SELECT seq, record FROM publications WHERE seq > ? AND tenant = ? ORDER BY seq LIMIT ?",
            (after, tenant, limit),
        )
        return [(seq, _event.decode(record)) for seq, record in found]

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Deletes publications that were made before `before` (UTC seconds), the oldest first, at most `limit` of
        them. The newest stays: whoever follows the numbers must never see one again.
        """
        await self._engine.write([(PRUNE, (before, limit))])

    async def last_publication(self) -> int:
        """The number of the latest publication of all tenants; 0 where there is none."""
        return int(self._engine.read("SELECT coalesce(max(seq), 0) FROM publications")[0][0])

    # --- Outbox: in the commit's own transaction ------------------------------------------------------------

    def carry(self, messages: Sequence[Message], receipts: Sequence[str]) -> tuple[Runs, list[Message]]:
        runs: Runs = []
        load: list[Message] = []
        for message in messages:
            if message.kind is Kind.PUBLICATION and message.event is not None:
                event = message.event
                runs.append((PUBLISH, (event.tenant, event.topic, event.time, _encode(event))))
                load += [event_message(copy) for copy in self._copies(event)]
            else:
                load.append(message)
        runs += [self._put(message) for message in load]
        return runs + self._taken(receipts), load

    def carried(self, load: Sequence[Message], receipts: Sequence[str]) -> None:
        for message in load:
            self._hand_out(message)
        if receipts:
            self._done(tuple(receipts))
        self.watchers.notify(PUBLICATIONS)

    # --- inside ---------------------------------------------------------------------------------------------

    async def _keep(self, messages: Sequence[Message]) -> None:
        """Writes the rows of messages that are in the mailboxes; a turn that ends meanwhile takes them with it."""
        ids = [message.id for message in messages]
        self._stored.update(ids)
        self._keeping.update(ids)
        try:
            await self._engine.write([self._put(message) for message in messages])
        finally:
            self._keeping.difference_update(ids)

    def _put(self, message: Message) -> tuple[Statement, Parameters]:
        return PUT, (message.id, self._lock.host, message.due, _encode(message))

    def _taken(self, receipts: Sequence[str]) -> Runs:
        return [(TAKE, (receipt,)) for receipt in receipts if receipt in self._stored]

    def _done(self, receipts: tuple[str, ...]) -> None:
        """A turn's messages are consumed: nothing of them is in the table any more."""
        self._mail.settle(receipts)
        self._stored.difference_update(receipts)
        if self._suspects:  # an event that turned out to be applied already was never in a handler's hands again
            for receipt in receipts:
                self._forgive(receipt)

    def _forgive(self, message_id: str) -> None:
        """What a handler survived, or nobody needs to handle any more, is no longer suspect."""
        if self._suspects.pop(message_id, 0):
            forgiving = asyncio.create_task(self._engine.write([(CLEAR, (message_id,))]))
            self._forgiving.add(forgiving)
            forgiving.add_done_callback(self._forgiving.discard)

    def _hand_out(self, message: Message) -> None:
        """A message whose row is durable goes to its mailbox, or waits in the table for its time."""
        if message.due > self._clock.now():
            self._ring_at(message.due)
        else:
            self._mail.add(message)
            self._stored.add(message.id)  # also where it was here already, as an offer without a row

    def _is_suspected(self, agent: AgentId) -> bool:
        """Whether an event of this agent was in a handler's hands when a host died."""
        return any(is_of(message_id, agent.partition) for message_id in self._suspects)

    def _check_room(self) -> None:
        if len(self._mail) >= self._pending_max:
            raise Overloaded(f"{len(self._mail)} events wait already; max_pending_events is {self._pending_max}", 1.0)

    # --- scheduled messages ---------------------------------------------------------------------------------

    def _ring_when_due(self) -> None:
        found = self._engine.read("SELECT min(due) FROM queue WHERE due > 0 AND host = ?", (self._lock.host,))
        if found[0][0] is not None:
            self._ring_at(found[0][0])

    def _ring_at(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + min(max(0.0, due - self._clock.now()), 86_400.0)
        if self._alarm is None or when < self._alarm.when():
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(when, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        try:
            self._take_due()
        except StoreUnavailable as error:
            _log.warning("could not read what is due (%s); trying again in %g s", error, ALARM_AGAIN_SECONDS)
            self._ring_at(self._clock.now() + ALARM_AGAIN_SECONDS)

    def _take_due(self) -> None:
        found = self._engine.read(
            "SELECT record FROM queue WHERE due > 0 AND due <= ? AND host = ? ORDER BY due, seq LIMIT ?",
            (self._clock.now(), self._lock.host, DUE_MAX),
        )
        fresh = [
            message
            for message in map(_message.decode, (row[0] for row in found))
            if message.id not in self._mail.messages
        ]
        for message in fresh:
            self._mail.add(message)
            self._stored.add(message.id)
        self._ring_for_next(full=len(found) == DUE_MAX)

    def _ring_for_next(self, *, full: bool) -> None:
        now = self._clock.now()
        found = self._engine.read("SELECT min(due) FROM queue WHERE due > ? AND host = ?", (now, self._lock.host))
        if full or found[0][0] is not None:
            self._ring_at(now + 0.05 if full else found[0][0])

    # --- taking over ----------------------------------------------------------------------------------------

    async def _patrol_forever(self) -> None:
        while True:
            await self._clock.sleep(TAKEOVER_SECONDS)
            try:
                await self._take_over()
            except Exception:
                _log.exception("could not take over from dead hosts; trying again in %g s", TAKEOVER_SECONDS)

    async def _take_over(self) -> None:
        found = dead_hosts(self._folder, self._lock)
        try:
            while found:
                await self._adopt(found[0])
                found.pop(0).release(remove=True)
                self._reload()
                asyncio.get_running_loop().call_later(SUSPECT_SECONDS, self._suspects.clear)
        finally:
            for dead in found:  # not taken over after all: whoever comes next finds them dead, as they are
                dead.release(remove=False)

    async def _adopt(self, dead: HostLock) -> None:
        """What a dead host had becomes this one's; what was in its handlers' hands is suspect."""
        now = self._clock.now()
        runs: Runs = [(SUSPECT, (message_id, now)) for message_id in marked(dead.marks)]
        forget = (FORGET, (now - SUSPECT_SECONDS,))
        await self._engine.write([*runs, forget, (ADOPT, (self._lock.host, dead.host))])

    async def _adopt_orphans(self) -> None:
        """Messages of hosts without a lock file, as in a restored backup, would wait for ever for their host."""
        hosts = {host for (host,) in self._engine.read("SELECT DISTINCT host FROM queue")}  # first: locks precede rows
        orphaned = [host for host in hosts if not is_host(self._folder, host)]
        if orphaned:
            await self._engine.write([(ADOPT, (self._lock.host, host)) for host in orphaned])
            self._reload()

    def _reload(self) -> None:
        """Puts what was adopted into the mailboxes, in the order in which it was sent."""
        self._suspects = dict(self._engine.read("SELECT id, crashes FROM suspects"))
        sql = "SELECT record FROM queue WHERE host = ? AND (due = 0 OR due <= ?) ORDER BY seq"
        for (record,) in self._engine.read(sql, (self._lock.host, self._clock.now())):
            message = _message.decode(record)
            if message.id not in self._mail.messages:
                self._hand_out(message)
        self._ring_when_due()
