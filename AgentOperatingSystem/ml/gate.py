"""The gate of one endpoint: how many calls it gets from this host at once and per second, first come, first served.

All agents of a host share the gate of an endpoint (`azure_ml.Endpoints`); `wrappers.gated` leads each call through it.
What the endpoint says moves the gate for all of them: a 429 or a 503 halves what is let in at once and holds everybody
for its Retry-After; each answer opens it a little again (additive increase, multiplicative decrease: V. Jacobson,
"Congestion Avoidance and Control", 1988).
"""

import asyncio
from collections import deque
from dataclasses import dataclass, replace

from AgentOperatingSystem.errors import CircuitOpen, ModelUnavailable, RateLimited
from AgentOperatingSystem.ml.records import NOTHING_USED
from AgentOperatingSystem.observability import metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """How much is let in."""

    at_once: float
    """Calls at the same time; the part of a whole one counts when it is whole."""
    at_once_max: int
    cuts: int = 0
    """How often it was cut; a call that began before a cut says nothing more."""
    held_until: float = 0.0
    """Nobody is let in before."""
    answer_seconds: float = 0.0
    """How long answers take, lately."""


def answered(flow: Flow, seconds: float) -> Flow:
    """After an answer: one more at once for each round of answers, up to the maximum."""
    at_once = min(flow.at_once + 1 / flow.at_once, float(flow.at_once_max))
    usual = seconds if not flow.answer_seconds else 0.8 * flow.answer_seconds + 0.2 * seconds
    return replace(flow, at_once=at_once, answer_seconds=usual)


def complained(flow: Flow, error: RateLimited | ModelUnavailable, cuts: int, now: float) -> Flow:
    """After a 429, a 503 or the like, of a call that began when the flow had been cut `cuts` times.

    An open circuit is no word of the endpoint, but holds everybody as one; behind it a single call goes first.
    """
    held_until = max(flow.held_until, now + (error.after_seconds or 0.0))
    if cuts != flow.cuts:
        return replace(flow, held_until=held_until)
    at_once = 1.0 if isinstance(error.__cause__, CircuitOpen) else max(flow.at_once / 2, 1.0)
    return replace(flow, at_once=at_once, cuts=flow.cuts + 1, held_until=held_until)


def expected_seconds(flow: Flow, waiting: int, per_second: float | None, now: float) -> float:
    """How long whoever comes behind so many will have to wait, once the endpoint serves as many as it is said to."""
    served = max(waiting + 1 - flow.at_once_max, 0) * flow.answer_seconds / flow.at_once_max
    return max(flow.held_until - now, 0.0) + max(served, waiting / per_second if per_second else 0.0)


class Gate:
    """Lets calls in, in the order in which they come.

    Who would have to wait for longer than `wait_seconds_max` is sent away with `RateLimited` and the time after which
    it is worth asking again: the agent rests, and holds up no other. `name` is for messages and metrics.
    """

    def __init__(
        self,
        name: str,
        *,
        at_once_max: int = 8,
        per_second: float | None = None,
        wait_seconds_max: float = 30.0,
    ) -> None:
        self.name = name
        self.flow = Flow(at_once=float(at_once_max), at_once_max=at_once_max)
        self._per_second = per_second
        self._wait_seconds_max = wait_seconds_max
        self._inside = 0
        self._next_at = 0.0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many wait to be let in."""
        return len(self._queue)

    async def enter(self) -> None:
        """Waits until this call may go; whoever has entered leaves. Raises `RateLimited`."""
        wait = self._expected_seconds()
        if wait > self._wait_seconds_max:
            raise self._sent_away(wait)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        self._let_in()
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await turn
        except TimeoutError:
            self._gone(turn)
            raise self._sent_away(max(self._expected_seconds(), 1.0)) from None
        except asyncio.CancelledError:
            self._gone(turn)
            raise

    def leave(self, seconds: float, cuts: int, error: BaseException | None) -> None:
        """A call is over after so long, begun when the flow had been cut `cuts` times; how it ended moves the gate."""
        self._inside -= 1
        if error is None:
            self.flow = answered(self.flow, seconds)
        elif isinstance(error, RateLimited | ModelUnavailable):
            self.flow = complained(self.flow, error, cuts, _now())
        self._let_in()

    def _expected_seconds(self) -> float:
        return expected_seconds(self.flow, self._inside + len(self._queue), self._per_second, _now())

    def _let_in(self) -> None:
        now = _now()
        while self._queue and self._inside < int(self.flow.at_once):
            due = max(self.flow.held_until, self._next_at)
            if due > now:
                self._ring_at(due)
                return
            turn = self._queue.popleft()
            if not turn.done():
                self._inside += 1
                self._next_at = max(now, self._next_at) + (1 / self._per_second if self._per_second else 0.0)
                turn.set_result(None)

    def _ring_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(due, self._let_in)

    def _gone(self, turn: asyncio.Future[None]) -> None:
        """Somebody who waited goes away, perhaps in the instant in which he was let in."""
        if turn.done() and not turn.cancelled():
            self._inside -= 1
            self._let_in()
        elif turn in self._queue:
            self._queue.remove(turn)

    def _sent_away(self, wait: float) -> RateLimited:
        metrics.increment("model.gate.refused", endpoint=self.name)
        waiting = len(self._queue)
        told = f"{self.name}: {waiting} calls of this host wait already; come again in {wait:.1f} s"
        error = RateLimited(told, wait)
        error.usage = NOTHING_USED
        return error


def _now() -> float:
    return asyncio.get_running_loop().time()
