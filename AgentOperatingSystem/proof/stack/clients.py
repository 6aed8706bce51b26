"""Those outside: senders that never give up on an event, and a consumer of publications that knows what it has seen."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import httpx2

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.events import Event, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.messaging.servicebus.mail import mail_of
from AgentOperatingSystem.messaging.servicebus.publications import read
from AgentOperatingSystem.messaging.servicebus.records import Places
from AgentOperatingSystem.messaging.servicebus_manager import ServiceBusManager
from AgentOperatingSystem.proof.stack.hosts import Host

ANSWER_SECONDS = 3.0
AGAIN_SECONDS = 0.2
SLOW_SECONDS = 0.6
SOURCE = "/client"
DRY_SECONDS = 2.0


class Client:
    """Sends over the doors of whichever host is up, or straight to the queue."""

    def __init__(self, hosts: Sequence[Host], connection_string: str, token: str, chance: random.Random) -> None:
        self.sent: list[int] = []
        """How many events each tally was sent."""
        self.failures: list[str] = []
        self._hosts = hosts
        self._queue = ServiceBusManager(connection_string, retries=0)
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_SECONDS, trust_env=False
        )
        self._chance = chance

    async def feed(self, tally: int, is_over: Callable[[], bool]) -> None:
        """Sends one tally its events, each when the one before it was accepted."""
        self.sent.append(0)
        while not is_over():
            event = self.event(tally, self.sent[tally])
            self.sent[tally] += 1
            while not await self._is_accepted(event):  # noqa: ASYNC110  # nobody tells when it will be
                await asyncio.sleep(AGAIN_SECONDS)
            await asyncio.sleep(self._chance.uniform(0.0, 0.2))

    def event(self, tally: int, number: int) -> Event:
        """The same at every try: every seventh takes its time."""
        data = {"number": number, "seconds": SLOW_SECONDS if number % 7 == 3 else 0.0}
        agent = AgentId("tally", str(tally))
        return Event(type="stack.work", source=SOURCE, id=f"t{tally}-{number}", agent=agent, data=data)

    async def send_again(self, event: Event) -> None:
        """Straight to the queue, whichever way it went before, until it is there."""
        while not await self._is_queued(event):  # noqa: ASYNC110  # nobody tells when it will be
            await asyncio.sleep(AGAIN_SECONDS)

    async def _is_queued(self, event: Event) -> bool:
        try:
            await self._queue.send(Places().queue, [mail_of(event_message(event), SystemClock().now())])
        except AOSError:
            return False
        return True

    async def get(self, path: str, **query: str) -> Any:
        """A document of the first host that answers; None where none does."""
        for host in (each for each in self._hosts if each.url):
            try:
                answer = await self._http.get(host.url + path, params=query)
            except (httpx2.HTTPError, httpx2.InvalidURL):
                continue
            if answer.status_code in (200, 404):
                return answer.json() if answer.status_code == 200 else {}
        return None

    async def seen_outside(self, subscription: str) -> dict[str, set[str]]:
        """By event, the ids of the publications that an outside consumer was handed."""
        seen: dict[str, set[str]] = defaultdict(set)
        inbox = await self._queue.inbox(f"{Places().topic}/{subscription}")
        while delivered := await inbox.receive(500, DRY_SECONDS):
            for each in delivered:
                seen[str(read(each.received).data)].add(each.received.message_id)
            await inbox.complete(delivered)
        await inbox.close()
        return seen

    async def close(self) -> None:
        """Lets go."""
        await self._http.aclose()
        await self._queue.close()

    async def _is_accepted(self, event: Event) -> bool:
        if event.data["number"] % 2:
            return await self._is_queued(event)
        try:
            return await self._is_posted(event)
        except httpx2.HTTPError:
            return False

    async def _is_posted(self, event: Event) -> bool:
        up = [host.url for host in self._hosts if host.url]
        if not up or event.agent is None:
            return False
        url = f"{self._chance.choice(up)}/api/v1/agents/tally/events"
        body = {"type": event.type, "source": event.source, "id": event.id, "data": event.data}
        answer = await self._http.post(url, params={"key": event.agent.key}, json=body)
        if answer.status_code >= 400 and answer.status_code not in (409, 429) and answer.status_code < 500:
            self.failures.append(f"{event.id} was refused with {answer.status_code}: {answer.text[:200]}")
            return True
        return answer.status_code < 300
