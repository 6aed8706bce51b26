"""A circuit breaker: after repeated failures of a service, its calls fail at once instead of waiting on it.

Whoever calls an unreliable service wraps each call in `async with breaker:`; one breaker stands for one service and may
be entered by any number of tasks at the same time. What to do is decided by pure functions over a frozen `Circuit`;
only `CircuitBreaker` holds state and looks at the clock. Specification row 192; the pattern is from M. Nygard, "Release
It!" (2007), as described by Microsoft Learn, "Circuit Breaker pattern".
"""

import asyncio
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import CircuitOpen, ConfigurationError, ServiceError

PROBE_WAIT_SECONDS = 1.0  # what a caller is told to wait while another one probes


@dataclass(frozen=True, kw_only=True, slots=True)
class Circuit:
    """What a breaker knows."""

    failures: int = 0  # in a row, since the last success
    opened_at: float | None = None  # UTC seconds; None while closed
    probing: bool = False  # a call is trying whether the service is back
    generation: int = 0  # grows with each opening: a call that began before it is not counted after it


def seen_at(circuit: Circuit, now: float) -> Circuit:
    """The circuit as it stands now: a wall clock that was set back must not keep it open for longer than its time."""
    return replace(circuit, opened_at=now) if circuit.opened_at is not None and now < circuit.opened_at else circuit


def wait_seconds(circuit: Circuit, timeout_seconds: float, now: float) -> float:
    """How long the circuit still refuses every call; 0 where one may go: it is closed, or nobody probes it yet."""
    if circuit.opened_at is None:
        return 0.0
    if circuit.probing:
        return min(PROBE_WAIT_SECONDS, timeout_seconds)
    return max(circuit.opened_at + timeout_seconds - now, 0.0)


def succeeded(circuit: Circuit) -> Circuit:
    """After a call that went well: closed, with no failure counted."""
    return Circuit(generation=circuit.generation)


def failed(circuit: Circuit, failure_threshold: int, now: float) -> Circuit:
    """After a call that failed: one more failure, and open from the threshold on, or again after a probe."""
    failures = circuit.failures + 1
    if circuit.opened_at is None and failures < failure_threshold:
        return replace(circuit, failures=failures)
    return Circuit(failures=failures, opened_at=now, generation=circuit.generation + 1)


class CircuitBreaker:
    """`async with breaker:` around each call of one service.

    Closed, calls pass; `failure_threshold` failures in a row of `expected_exception` (a class or a tuple of classes)
    open it. Open, entering raises `CircuitOpen` with `retry_after_seconds`. After `timeout` seconds one call at a time
    is let through as a probe: its success closes the breaker, its failure opens it for another `timeout`. Any other
    exception passes uncounted. Nothing is swallowed. Raises `ConfigurationError` for a threshold or a timeout that
    makes no sense.
    """

    def __init__(
        self,
        failure_threshold: int = 5,
        timeout: float = 60,
        expected_exception: type[BaseException] | tuple[type[BaseException], ...] = ServiceError,
        *,
        name: str = "service",
        clock: Clock | None = None,
    ) -> None:
        if failure_threshold < 1 or not timeout > 0:
            raise ConfigurationError(f"circuit breaker {name!r}: failure_threshold must be at least 1, timeout above 0")
        self.name = name
        self._failure_threshold = failure_threshold
        self._timeout_seconds = timeout
        self._expected = expected_exception
        self._clock: Clock = clock or SystemClock()
        self._circuit = Circuit()
        # The generation in which each task entered; a task may enter again while it is inside.
        self._entered: WeakKeyDictionary[asyncio.Task[Any], list[int]] = WeakKeyDictionary()

    @property
    def state(self) -> str:
        """`closed`: calls pass. `open`: they are refused. `half-open`: the time is over and one call may probe."""
        if self._circuit.opened_at is None:
            return "closed"
        due = self._circuit.opened_at + self._timeout_seconds
        return "half-open" if self._circuit.probing or self._clock.now() >= due else "open"

    async def __aenter__(self) -> Self:
        now = self._clock.now()
        self._circuit = seen_at(self._circuit, now)
        wait = wait_seconds(self._circuit, self._timeout_seconds, now)
        if wait > 0:
            raise CircuitOpen(f"circuit breaker {self.name!r} is {self.state}; retry in {wait:.1f} s", wait)
        self._circuit = replace(self._circuit, probing=self._circuit.opened_at is not None)
        self._entered.setdefault(_task(), []).append(self._circuit.generation)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered = self._entered.get(_task())
        generation = entered.pop() if entered else self._circuit.generation  # left by another task than entered
        if generation == self._circuit.generation:
            self._circuit = self._after(error)

    def _after(self, error: BaseException | None) -> Circuit:
        if error is None:
            return succeeded(self._circuit)
        if isinstance(error, self._expected):
            return failed(self._circuit, self._failure_threshold, self._clock.now())
        return replace(self._circuit, probing=False)  # says nothing about the service: the next call may probe


def _task() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None, "`async with` runs inside a task"
    return task
