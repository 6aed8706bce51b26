"""`MessageBus` on one storage queue, for hosts that share an account.

The kernel's pump takes turns. While this host takes turns, what it sends it also holds: the queue keeps the letter,
hidden from others, and the mailbox of this process has it at once, so a message costs a put and a delete and no look. A
host that only sends (a Functions app, whose queue trigger receives) leaves its letters for anybody. What another host
has sent, or a dead one held, is found by looking: often while something comes, else every `poll_seconds_max`.

A letter in hand stays hidden by renewal; the renewals of a dead host end, and others receive it again. The commit's
fence makes it harmless when two hosts have one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.errors import Overloaded, StoreUnavailable
from AgentOperatingSystem.events import Event, Kind, Message, event_message
from AgentOperatingSystem.messaging.azure.holdings import Held, Holdings
from AgentOperatingSystem.messaging.azure.letters import VISIBILITY_SECONDS_MAX, Letter, Received
from AgentOperatingSystem.messaging.azure.post import TAKEN_MAX, Post, Taken
from AgentOperatingSystem.messaging.azure.publications import Publications
from AgentOperatingSystem.messaging.embedded import PUBLICATIONS
from AgentOperatingSystem.messaging.mailboxes import Mailboxes
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.messaging.watchers import Watchers

GRACE_SECONDS: Final = 10.0
"""So much later than due a letter is seen by others, where its sender, who holds it, has died."""
HELD_BACK_MAX: Final = 10_000
"""Letters that are not due and that one host watches itself; the queue alone holds back the others."""
IN_HAND_MAX: Final = 256
"""With so many in hand, a host takes no more of what others have sent."""
PUTS_AT_ONCE: Final = 32
_CLAIM_SECONDS_MIN: Final = 30 * 86_400.0
_log = logging.getLogger(__name__)


class StorageQueueBus:
    """One host's hand at the queue. Make it within a running event loop; `turns` has one reader at a time.

    `copies` resolves a publication into one event per subscriber. A host that has not renewed its hold on a letter for
    `visibility_seconds` is taken for dead. Publications can be read back where they were sent, as long as that host
    lives: a queue keeps none.
    """

    def __init__(
        self,
        post: Post,
        clock: Clock,
        copies: Callable[[Event], Sequence[Event]],
        *,
        turn_events_max: int = 64,
        pending_max: int = 10_000,
        visibility_seconds: float = 60.0,
        poll_seconds_min: float = 0.1,
        poll_seconds_max: float = 2.0,
    ) -> None:
        self.watchers = Watchers()
        self._post = post
        self._clock = clock
        self._copies = copies
        self._pending_max = pending_max
        self._visibility = visibility_seconds
        self._poll = (poll_seconds_min, poll_seconds_max)
        self._mail = Mailboxes(turn_events_max)
        self._held = Holdings()
        self._sending: set[str] = set()
        self._puts = asyncio.Semaphore(PUTS_AT_ONCE)
        self._publications = Publications(clock)
        self._alarm: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._taking = False
        self._closed = False

    # --- MessageBus -------------------------------------------------------------------------------------------------

    async def send(self, messages: Sequence[Message]) -> None:
        is_work = any(message.kind is not Kind.DOORBELL for message in messages)
        if is_work and self.pending() >= self._pending_max:  # control must get through to a full system
            raise Overloaded(f"{self.pending()} events wait here; max_pending_events is {self._pending_max}", 1.0)
        load = self._load(messages)
        names = [message.id for message in load]
        self._sending.update(names)
        try:
            sent = await self._put_all(load)
        finally:
            self._sending.difference_update(names)
        for held in sent:
            self._adopt(held)

    async def offer(self, message: Message) -> None:
        """A queue cannot carry without keeping: the message is sent."""
        await self.send([message])

    async def keep(self, message: Message) -> None:
        """An offered message is kept already."""

    def waiting(self, message_id: str) -> Message | None:
        held = self._held.get(message_id)
        return held.message if held is not None else None

    async def find(self, message_id: str) -> Message | None:
        """Only what this host holds: a queue cannot be searched."""
        return self.waiting(message_id)

    async def turns(self) -> AsyncIterator[Turn]:
        if not self._taking and not self._closed:
            self._taking = True
            self._begin(self._poll_forever())
            self._begin(self._renew_forever())
        async for turn in self._mail.turns():
            yield await self._marked(turn)

    async def settle(self, turn: Turn) -> None:
        """What was received by somebody else, as by a Functions trigger, is theirs to settle."""
        held = [each for each in map(self._held.get, turn.receipts) if each is not None]
        await _together(self._drop(each) for each in held)
        self._held.forget(turn.receipts)
        if self._mail.holds(turn):
            self._mail.settle(turn.receipts)

    async def release(self, turn: Turn, after_seconds: float = 0.0) -> None:
        """It stays in hand meanwhile, so that nothing overtakes it here. Raises `StoreUnavailable` for a turn that was
        pushed: its trigger gives it back by raising.
        """
        if not self._mail.holds(turn):
            raise StoreUnavailable(f"{turn.agent}: the turn goes back to the trigger that pushed it")
        asyncio.get_running_loop().call_later(after_seconds, self._again, turn)

    def begins(self, message_id: str) -> int:
        """How many hosts died while they handled it. Of an event that was parked, the crashes under its agent's bell
        count.
        """
        held = self._held.get(message_id)
        if held is not None:
            return held.crashes
        return max(
            (each.crashes for each in self._held.all() if each.crashes and each.is_bell_of(message_id)), default=0
        )

    def ended(self, message_id: str) -> None:
        """Nothing was noted: a letter that came back is marked before its turn."""

    async def pushed(self, received: Received) -> Turn | None:
        """The turn of a message that a Functions trigger received, to be settled by its return; None where nothing is
        left of it, because it came too early and is held back again. Raises `StoreUnavailable`.
        """
        message = await self._post.read(received)
        assert message.agent is not None
        if message.due > self._clock.now():
            await self.send([message])
            return None
        return Turn(message.agent, (message,), (message.id,), received.deliveries)

    async def close(self) -> None:
        """Gives back what no turn has ended, so that others need not wait until it is seen again."""
        if self._closed:
            return
        self._closed = True
        self._mail.close()
        if self._alarm is not None:
            self._alarm.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await _together(self._give_back(held) for held in self._held.all())
        except StoreUnavailable as error:
            _log.warning("could not give letters back (%s); others receive them by themselves", error)
        await self._post.close()

    # --- Broker -----------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """How many messages of this host wait for a turn or are in one; the queue may have more (`about`)."""
        return len(self._mail)

    async def about(self) -> int:
        """How many messages the queue has, held back ones and those in turns included, as it estimates it."""
        return await self._post.about()

    @property
    def commits(self) -> int:
        """How many requests this host has made to the queue."""
        return self._post.operations

    async def publications(self, tenant: str, after: int, limit: int = 100) -> list[tuple[int, Event]]:
        """Publications of a tenant that this host has sent, behind number `after`."""
        return self._publications.behind(tenant, after, limit)

    async def last_publication(self) -> int:
        return self._publications.last

    async def prune(self, before: float, limit: int = 10_000) -> None:
        """Deletes bodies of large messages that have not been held back or sent since `before`, and for a month."""
        await self._post.prune(min(before, self._clock.now() - _CLAIM_SECONDS_MIN))

    # --- sending ----------------------------------------------------------------------------------------------------

    def _load(self, messages: Sequence[Message]) -> list[Message]:
        """What is to be put, by message id; what is on its way or here already is not put again."""
        load: dict[str, Message] = {}
        for message in messages:
            if message.kind is Kind.PUBLICATION and message.event is not None:
                self._publications.add(message.event)
                self.watchers.notify(PUBLICATIONS)
                copies = [event_message(copy) for copy in self._copies(message.event)]
            else:
                copies = [message]
            for each in copies:
                if self._held.get(each.id) is None and each.id not in self._sending:
                    load.setdefault(each.id, each)
        return list(load.values())

    async def _put_all(self, load: Sequence[Message]) -> list[Held]:
        """One agent's messages one after the other, so that their first arrival is their order."""
        lines: dict[Any, list[Message]] = {}
        for message in load:
            lines.setdefault(message.agent, []).append(message)
        put: dict[str, Held] = {}
        await _together(self._put_line(line, put) for line in lines.values())
        return [put[message.id] for message in load]

    async def _put_line(self, line: Sequence[Message], put: dict[str, Held]) -> None:
        for message in line:
            hidden = self._hidden_seconds(message, watched=self._taking)
            async with self._puts:
                posted = await self._post.put(Letter(message=message), hidden)
            put[message.id] = Held(message, posted, self._clock.now() + hidden)

    def _hidden_seconds(self, message: Message, *, watched: bool) -> float:
        """How long others are not to see a letter, and the one who holds it looks after it."""
        wait = max(0.0, message.due - self._clock.now())
        if not watched:
            return min(wait, VISIBILITY_SECONDS_MAX)
        return min(wait + GRACE_SECONDS, VISIBILITY_SECONDS_MAX) if wait else self._visibility

    # --- in hand ----------------------------------------------------------------------------------------------------

    def _adopt(self, held: Held) -> None:
        """This host holds the letter: it is queued here, or looked at again when it is due."""
        if not self._taking or self._closed:
            return
        message = held.message
        now = self._clock.now()
        if message.due > now:
            if self._held.scheduled < HELD_BACK_MAX:
                self._held.keep(held)
                self._held.schedule(message.id, min(message.due, held.until - GRACE_SECONDS))
                self._ring_when_due()
            return
        self._held.keep(held)
        self._mail.add(message, held.deliveries - 1)

    def _ring_when_due(self) -> None:
        moment = self._held.next_moment()
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if moment is not None:
            wait = max(0.0, moment - self._clock.now())
            self._alarm = asyncio.get_running_loop().call_later(wait, self._on_alarm)

    def _on_alarm(self) -> None:
        now = self._clock.now()
        for held in self._held.due(now):
            if held.message.due <= now:
                self._mail.add(held.message, held.deliveries - 1)
                self._begin(self._renew(held, self._visibility))
            else:
                self._begin(self._arm_again(held))
        self._ring_when_due()

    async def _arm_again(self, held: Held) -> None:
        """A queue holds back for a week at most."""
        hidden = self._hidden_seconds(held.message, watched=True)
        await self._renew(held, hidden, held.unspent())
        if held.lost:
            self._held.forget([held.message.id])
        else:
            self._held.schedule(held.message.id, min(held.message.due, held.until - GRACE_SECONDS))
            self._ring_when_due()

    async def _renew(self, held: Held, hidden: float, letter: Letter | None = None) -> None:
        async with held.lock:
            now = self._clock.now()
            try:
                posted = await self._post.hold(held.posted, hidden, letter)
            except StoreUnavailable as error:
                _log.warning("could not hold on to a letter (%s); trying again", error)
                return
            if posted is None:
                held.lost = True
            else:
                held.posted, held.until = posted, now + hidden

    async def _drop(self, held: Held) -> None:
        async with held.lock:
            if not held.lost:
                await self._post.drop(held.posted)

    async def _give_back(self, held: Held) -> None:
        async with held.lock, self._puts:
            if not held.lost:
                hidden = self._hidden_seconds(held.message, watched=False)
                await self._post.hold(held.posted, hidden, held.unspent())

    def _again(self, turn: Turn) -> None:
        if self._mail.holds(turn):
            self._mail.release(turn)

    # --- what came back -------------------------------------------------------------------------------------------

    async def _marked(self, turn: Turn) -> Turn:
        """A letter that came back was in the hands of a host that died: it runs with nothing beside it, and says so to
        the next host, if this one dies of it.
        """
        first = self._held.get(turn.receipts[0])
        if first is None or first.deliveries == 1 or turn.deliveries > first.deliveries:
            return turn
        letter = Letter(message=first.message, crashes=first.crashes + 1)
        await self._renew(first, self._visibility, letter)
        return self._mail.alone(turn)

    # --- looking ----------------------------------------------------------------------------------------------------

    async def _poll_forever(self) -> None:
        wait, longest = self._poll
        while True:
            found = 0
            room = IN_HAND_MAX - len(self._mail)
            if room > 0:
                try:
                    found = await self._look(min(room, TAKEN_MAX))
                except StoreUnavailable as error:
                    _log.warning("could not look into the queue (%s); trying again", error)
            wait = self._poll[0] if found else min(2 * wait, longest)
            if found < TAKEN_MAX:
                await self._clock.sleep(wait)

    async def _look(self, limit: int) -> int:
        """Takes what others have sent, or what came back; says how much."""
        before = self._clock.now()
        taken = await self._post.take(self._visibility, limit)
        for each in taken:
            await self._receive(each, before + self._visibility)
        return len(taken)

    async def _receive(self, taken: Taken, until: float) -> None:
        message, now = taken.message, self._clock.now()
        here = self._held.get(message.id)
        if here is not None and (here.lost or here.posted.id == taken.posted.id):
            here.posted, here.until, here.lost = taken.posted, until, False
        elif here is not None or message.id in self._sending:
            await self._post.drop(taken.posted)  # a second copy
        elif message.due > now:
            hidden = self._hidden_seconds(message, watched=True)
            held = Held(message, taken.posted, until, taken.letter.crashes, taken.seen)
            await self._renew(held, hidden, held.unspent())
            self._adopt(held)
        else:
            deliveries = max(1, taken.seen - taken.letter.known)
            self._adopt(Held(message, taken.posted, until, taken.letter.crashes, taken.seen, deliveries))

    async def _renew_forever(self) -> None:
        while True:
            await self._clock.sleep(self._visibility / 6)
            soon = self._clock.now() + self._visibility * 2 / 3
            held = [each for each in self._held.expiring(soon) if each.message.due <= self._clock.now()]
            await _together(self._renew(each, self._visibility) for each in held)

    def _begin(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _together(works: Iterable[Awaitable[None]]) -> None:
    """All of them to their end; raises what the first of those that failed raised."""
    ends = await asyncio.gather(*works, return_exceptions=True)
    for end in ends:
        if isinstance(end, BaseException):
            raise end
