"""`MessageBus` on Azure Service Bus: a session is a mailbox, a scheduled message an alarm.

    send → one session queue (session = agent) … a held session → turn → the kernel's commit and relay → settle
    publish → the topic → whoever subscribed there, and our router → one message per subscriber → the queue

Made by `opening`, over the connection of `servicebus_manager`. Two ways to turn: `turns()` receives by itself (the
stand-alone worker, `aos up`), and `pushed` takes what a Functions trigger received. Sessions give order and economy;
safety is the commit's fence.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import Overloaded, StoreUnavailable
from AgentOperatingSystem.events import Event, Kind, Message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.servicebus.claims import BODY_BYTES_MAX, checked_in, prune, redeemed
from AgentOperatingSystem.messaging.servicebus.dead_letters import exhumed, exhumed_publication
from AgentOperatingSystem.messaging.servicebus.following import Following
from AgentOperatingSystem.messaging.servicebus.mail import arm_of, mail_of, turn_of
from AgentOperatingSystem.messaging.servicebus.outbound import Outbound
from AgentOperatingSystem.messaging.servicebus.ports import Connection, Session
from AgentOperatingSystem.messaging.servicebus.publications import Copies, Route, deliveries_of, publication_of
from AgentOperatingSystem.messaging.servicebus.receiving import Sessions, ended, read_forever
from AgentOperatingSystem.messaging.servicebus.records import ARM_SECONDS_MAX, Outgoing, Places, Received
from AgentOperatingSystem.messaging.servicebus.sent import Sent
from AgentOperatingSystem.messaging.servicebus.sessions import Held, Surroundings, arms
from AgentOperatingSystem.messaging.watchers import Watchers
from AgentOperatingSystem.storage.ports import BlobStore

COUNT_SECONDS: Final = 5.0
_log = logging.getLogger(__name__)


class ServiceBusBus:
    """One host's hand at a namespace. Make it within a running event loop; `turns` has one reader at a time.

    `copies` resolves a publication into one event per subscriber, `route` addresses what others publish and nobody has
    subscribed to. `blobs` takes bodies too large for the broker; None refuses them. `count` reads how many
    messages the queue holds: without it, only the broker's own quota is a limit. `on_close` lets go of `blobs`.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        copies: Copies,
        *,
        blobs: BlobStore | None = None,
        route: Route | None = None,
        places: Places | None = None,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        sessions_max: int = 32,
        idle_seconds: float = 0.5,
        window_seconds: float = 600.0,
        arm_seconds: float = ARM_SECONDS_MAX,
        body_bytes_max: int = BODY_BYTES_MAX,
        count: Callable[[], Awaitable[int]] | None = None,
        on_close: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.watchers = Watchers()
        """Told of publications that this host makes or routes, under the name `PUBLICATIONS`."""
        self.places = places or Places()
        self._connection = connection
        self._clock = clock
        self._copies = copies
        self._route = route
        self._blobs = blobs
        self._pending_max = pending_max
        self._arm_seconds = arm_seconds
        self._body_bytes_max = body_bytes_max
        self._count = count
        self._on_close = on_close
        self._outbound = {name: self._way_out(name) for name in (self.places.queue, self.places.topic)}
        self._following = Following(connection, self.places, blobs)
        self._sent = Sent(window_seconds)
        self._leaving: Counter[str] = Counter()
        """Messages that the broker has not confirmed yet."""
        self._waiting = 0
        self._sessions = Sessions(connection, self.places.queue, sessions_max, idle_seconds, self._serve)
        self._around = Surroundings(
            clock=clock,
            blobs=blobs,
            queue=self.places.queue,
            turn_events_max=turn_events_max,
            idle_seconds=self._sessions.idle_seconds,
            arm_again=self._arm_again,
            hand_out=self._hand_out,
        )
        self._held: dict[AgentId, Held] = {}
        """Whose turn has been handed out by a session, and has not ended."""
        self._pushed: dict[int, Turn] = {}
        """Turns that a trigger has received and not seen the end of."""
        self._lost: set[AgentId] = set()
        self._ready: deque[Held] = deque()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    # --- MessageBus -------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        """Accepts messages; raises `Overloaded` where the queue holds too much, or is full."""
        now = self._clock.now()
        if any(message.kind is not Kind.DOORBELL for message in messages):
            self._check_room()
        mail = [mail_of(each, now, arm_seconds=self._arm_seconds) for each in messages if each.agent is not None]
        news = [publication_of(each, now) for each in messages if each.kind is Kind.PUBLICATION]
        self._sent.add(messages, now)
        names = [each.id for each in messages]
        self._leaving.update(names)
        try:
            await self._leave(self.places.queue, mail)
            await self._leave(self.places.topic, news)
        except BaseException:
            self._sent.remove(names)
            raise
        finally:
            self._leaving.subtract(names)
            self._leaving += Counter()  # which drops those at zero
        self._waiting += sum(each.kind is Kind.EVENT and each.due <= now for each in messages)
        if news:
            self.watchers.notify(PUBLICATIONS)

    async def offer(self, message: Message) -> None:
        await self.send([message])

    async def keep(self, message: Message) -> None:
        """An offered message is kept already; one that is still on its way is sent once more, because its first sending
        may yet fail: the broker, or else the store, drops the second.
        """
        if self._leaving[message.id] and message.agent is not None:
            await self._leave(self.places.queue, [mail_of(message, self._clock.now(), arm_seconds=self._arm_seconds)])

    def waiting(self, message_id: str) -> Message | None:
        """Of what is in a turn here, or was sent from here lately."""
        for turn in [*(held.turn for held in self._held.values()), *self._pushed.values()]:
            if turn is not None and message_id in turn.receipts:
                return turn.messages[turn.receipts.index(message_id)]
        return self._sent.find(message_id, self._clock.now())

    async def find(self, message_id: str) -> Message | None:
        return self.waiting(message_id)

    async def turns(self) -> AsyncIterator[Turn]:
        self._begin_receiving()
        while not self._closed:
            while self._ready and not self._closed:
                held = self._ready.popleft()
                if held.turn is not None and not held.is_lost:
                    yield held.turn
            if not self._closed:
                self._news.clear()
                await self._news.wait()

    async def settle(self, turn: Turn) -> None:
        """Consumes the turn's messages; of a turn that was pushed, the trigger does it by returning."""
        self._forget(turn)
        held = self._held.get(turn.agent)
        if held is not None and held.turn is turn:
            await held.settle()
            self._end(held)

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        """Gives the turn back; raises `StoreUnavailable` for one that was pushed: its trigger gives it back by raising.

        A turn whose lock was lost is being delivered again already.
        """
        if self._pushed.pop(id(turn), None) is not None:
            raise StoreUnavailable(f"{turn.agent}: the turn goes back to the trigger that pushed it")
        held = self._held.get(turn.agent)
        if held is not None and held.turn is turn:
            held.release(after_seconds)
        self._lost.discard(turn.agent)

    def begins(self, message_id: str) -> int:
        """The broker counts deliveries, not hosts that died; see `dead_letters` for what comes of too many."""
        return 0

    def ended(self, message_id: str) -> None:
        """Nothing was noted."""

    async def close(self) -> None:
        """Gives every session back, so that another host need not wait for its lock to run out."""
        if self._closed:
            return
        self._closed = True
        self._news.set()
        for way in self._outbound.values():
            await way.close()
        for held in list(self._held.values()):
            held.stop()
        await self._connection.close()  # those who read hear of it: a cancellation is lost on the SDK
        await ended(self._tasks)
        await self._sessions.close()
        if self._on_close is not None:
            await self._on_close()

    # --- beyond the port --------------------------------------------------------------------------------------------

    @property
    def commits(self) -> int:
        """The bus makes no transactions: the store does."""
        return 0

    def pending(self) -> int:
        """How many events wait or are in a turn: what `count` saw last, and what this host did since."""
        return self._waiting

    def lost(self, agent: AgentId) -> str:
        """Why the turn under way of an agent is to go no further here; empty where it may."""
        held = self._held.get(agent)
        is_lost = agent in self._lost or (held is not None and held.is_lost)
        return "the broker's lock on its session was lost; another host may have its turn" if is_lost else ""

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Publications of a tenant behind number `after`, from the subscription that keeps a log of them; none where
        there is no such subscription.
        """
        return await self._following.behind(tenant, after, limit)

    async def last_publication(self) -> int:
        """The number of the latest publication in the log."""
        return await self._following.last()

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Deletes large bodies that were sent before `before`. Publications expire by the broker's time to live."""
        await prune(self._blobs, before)

    # --- what a host is pushed --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def pushed(self, received: Sequence[Received]) -> AsyncIterator[Turn | None]:
        """The turn of messages of one session that a trigger received, to be delivered within the context; None where
        nothing is left of it, because all of it came too early and is scheduled again.

        Leave the context by an exception, and the trigger is to give the messages back by raising. Raises
        `StoreUnavailable`.
        """
        turn = await self._turn_of([await redeemed(each, self._blobs) for each in received])
        if turn is None:
            yield None
            return
        self._pushed[id(turn)] = turn
        try:
            yield turn
        finally:
            self._pushed.pop(id(turn), None)

    async def route(self, received: Received) -> None:
        """Sends a publication that the router's subscription received to its recipients; the same at every try."""
        messages = deliveries_of(await redeemed(received, self._blobs), self._copies, self._route, self.places.topic)
        now = self._clock.now()
        await self._leave(self.places.queue, [mail_of(each, now, arm_seconds=self._arm_seconds) for each in messages])
        self.watchers.notify(PUBLICATIONS)

    async def exhume(self, received: Received, *, publication: bool = False) -> None:
        """Sends a dead letter of the queue (or of the router's subscription) to the quarantine of its agent."""
        received = await redeemed(received, self._blobs)
        dig, place = (exhumed_publication, self.places.topic) if publication else (exhumed, self.places.queue)
        await self._leave(self.places.queue, [dig(received, place, self._clock.now())])

    # --- sending ----------------------------------------------------------------------------------------------------

    def _way_out(self, entity: str) -> Outbound:
        return Outbound(lambda outgoing: self._connection.send(entity, outgoing))

    async def _leave(self, entity: str, outgoing: Sequence[Outgoing]) -> None:
        if outgoing:
            light = [await checked_in(each, self._blobs, self._body_bytes_max) for each in outgoing]
            await self._outbound[entity].send(light)

    async def _arm_again(self, message: Message, arm: int) -> None:
        now = self._clock.now()
        await self._leave(self.places.queue, [mail_of(message, now, arm=arm, arm_seconds=self._arm_seconds)])

    def _check_room(self) -> None:
        if self._count is not None and self._waiting >= self._pending_max:
            raise Overloaded(f"{self._waiting} events wait already; max_pending_events is {self._pending_max}", 1.0)

    # --- turns ------------------------------------------------------------------------------------------------------

    async def _turn_of(self, received: Sequence[Received]) -> Turn | None:
        """The turn of what a trigger received, less what is armed again."""
        turn, now = turn_of(received, self.places.queue), self._clock.now()
        left = []
        for each, message in zip(received, turn.messages, strict=True):
            if arms(message, now):
                await self._arm_again(message, arm_of(each) + 1)
            else:
                left.append(each)
        return turn_of(left, self.places.queue) if left else None

    def _hand_out(self, held: Held) -> None:
        """A turn is ready. Where another one of its agent is under way here, the broker took that one's lock."""
        assert held.turn is not None
        agent = held.turn.agent
        before = self._held.get(agent)
        if before is not None and before is not held and before.turn is not None:
            before.lose()
            self._lost.add(agent)
        else:
            self._lost.discard(agent)
        self._held[agent] = held
        self._ready.append(held)
        self._news.set()

    def _forget(self, turn: Turn) -> None:
        """The turn's messages are applied."""
        self._pushed.pop(id(turn), None)
        self._lost.discard(turn.agent)
        self._sent.remove(turn.receipts)
        self._waiting = max(0, self._waiting - sum(each.event is not None for each in turn.messages))

    def _end(self, held: Held) -> None:
        for agent in [agent for agent, each in self._held.items() if each is held and held.turn is None]:
            del self._held[agent]

    # --- receiving --------------------------------------------------------------------------------------------------

    def _begin_receiving(self) -> None:
        if self._tasks or self._closed:
            return
        if self._count is not None:
            self._begin(self._count_forever(self._count))
        for _ in range(self._sessions.acceptors):
            self._begin(self._sessions.accept_forever())
        queue, router = self.places.queue, f"{self.places.topic}/{self.places.router}"
        self._begin(read_forever(self._connection, router, self.route))
        self._begin(read_forever(self._connection, queue, self.exhume, dead_letters=True))
        self._begin(read_forever(self._connection, router, self._exhume_publication, dead_letters=True))

    async def _exhume_publication(self, received: Received) -> None:
        await self.exhume(received, publication=True)

    async def _serve(self, session: Session) -> None:
        held = Held(session, self._around)
        try:
            await held.run()
        finally:
            for agent in [agent for agent, each in self._held.items() if each is held]:
                del self._held[agent]
                if held.is_lost and held.turn is not None:
                    self._lost.add(agent)

    async def _count_forever(self, count: Callable[[], Awaitable[int]]) -> None:
        while True:
            await self._clock.sleep(COUNT_SECONDS)
            try:
                self._waiting = await count()
            except StoreUnavailable as error:
                _log.warning("%s could not be counted (%s); trying again", self.places.queue, error)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
