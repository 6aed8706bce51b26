"""What each trigger does with what it is given: an event is accepted, a turn is handed to the kernel, the pulse beats.

Called by `function_app.py`. A function that returns has its message consumed; one that raises gets it again.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from AgentOperatingSystem.hosting.functions.web import Answer

if TYPE_CHECKING:
    from AgentOperatingSystem.hosting.functions.running import Running
    from AgentOperatingSystem.hosting.functions.worker import Worker

Door = Callable[..., Any]
"""`api.create_app`, handed in because `hosting` lies below it."""


class Triggers:
    """The triggers of one worker process. Each of them raises `StoreUnavailable` where store or broker cannot be
    reached, and `ConfigurationError` where the system cannot start.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._worker: Worker | None = None

    async def _running(self) -> "Running":
        """The system. What it is made of is imported now, at the first invocation, not while functions are listed."""
        if self._worker is None:
            from AgentOperatingSystem.hosting.functions.worker import Worker

            self._worker = Worker(self._door)
        return await self._worker.running()

    async def http(self) -> Answer:
        """The doors will answer."""
        return Answer((await self._running()).doors)

    async def pulse(self) -> None:
        """What the system does from time to time: no event waits for it."""
        await (await self._running()).aos.keep_house()

    async def mailbox(self, messages: Sequence[Any]) -> None:
        """A turn of one agent: the messages of one Service Bus session, in their order."""
        running = await self._running()
        for _, session in groupby(messages, lambda each: each.session_id):
            await running.deliver_session(list(session))

    async def router(self, message: Any) -> None:
        """A publication, for its subscribers' mailboxes."""
        await (await self._running()).route(message)

    async def dead_letter(self, message: Any) -> None:
        """What the broker gave up, for its agent's quarantine."""
        await (await self._running()).exhume(message)

    async def dead_publication(self, message: Any) -> None:
        """A publication that could not be routed."""
        await (await self._running()).exhume(message, publication=True)

    async def queue_message(self, message: Any) -> None:
        """A turn of one agent: one message of a storage queue."""
        await (await self._running()).deliver_letter(message)

    async def event_grid(self, event: str) -> None:
        """An event of Event Grid, in either schema, for the agent that it names or that the routes choose."""
        await (await self._running()).accept_event_grid(event)
