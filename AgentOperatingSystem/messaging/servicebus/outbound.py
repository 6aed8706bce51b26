"""What many callers send to one entity at the same time leaves in one batch, in the order of the calls."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from AgentOperatingSystem.errors import AOSError, TooLarge
from AgentOperatingSystem.messaging.servicebus.records import Outgoing

TOGETHER_MAX: Final = 500
"""How many messages of several callers are sent at once; one caller's are never parted."""
CLOSE_SECONDS_MAX: Final = 10.0
"""What is not sent by then is owed still: the rows in the store say so."""
Send = Callable[[Sequence[Outgoing]], Awaitable[None]]
_Call = tuple[Sequence[Outgoing], asyncio.Future[None]]


class Outbound:
    """One entity's way out."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._calls: deque[_Call] = deque()
        self._sending: asyncio.Task[None] | None = None

    async def send(self, outgoing: Sequence[Outgoing]) -> None:
        """Returns when the broker has all of them. Raises what the connection raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._calls.append((outgoing, done))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._run(), name="aos-outbound")
        await done

    async def close(self) -> None:
        """Waits for what is on its way, but not for ever: a broker that says nothing holds nobody up."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=CLOSE_SECONDS_MAX)

    async def _run(self) -> None:
        while self._calls:
            calls = self._together()
            try:
                await self._send([each for outgoing, _ in calls for each in outgoing])
            except TooLarge as error:
                await self._one_by_one(calls, error)
            except BaseException as error:
                _tell(calls, error)
                if not isinstance(error, AOSError):
                    raise
            else:
                _tell(calls, None)

    def _together(self) -> list[_Call]:
        calls, count = [self._calls.popleft()], 0
        while self._calls and (count := count + len(calls[-1][0])) + len(self._calls[0][0]) <= TOGETHER_MAX:
            calls.append(self._calls.popleft())
        return calls

    async def _one_by_one(self, calls: list[_Call], error: TooLarge) -> None:
        """One caller's message is no reason to refuse the others'."""
        if len(calls) == 1:
            return _tell(calls, error)
        for call in calls:
            try:
                await self._send(call[0])
            except AOSError as own:
                _tell([call], own)
            else:
                _tell([call], None)


def _tell(calls: Sequence[_Call], error: BaseException | None) -> None:
    for _, done in calls:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        elif isinstance(error, Exception):
            done.set_exception(error)
        else:
            done.cancel()
