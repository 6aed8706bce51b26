"""What a month on Azure comes to: counted operations times list prices, beside what is always on and always paid.

Asked by `aos cost estimate`; shown in docs/cost.md. The operations of an event are those that the tests count
(tests/unit/storage/azure/test_cost.py, tests/unit/proof/test_cost.py); the prices are those of `azure_prices.json`.
What nobody knows the price of is said to be unknown, and counts as that.
"""

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.proof.azure_prices import Prices, prices

DOOR_READS: Final = 2
"""Of the event's row and its agent's head, where an event comes by HTTP."""
BROKER_OPERATIONS: Final = 4
"""Send, accept the session, receive, complete: Service Bus bills every call (Service Bus pricing, "Messaging
operations").
"""
EXECUTIONS: Final = 2
"""Of functions: the door and the mailbox."""
PERIOD_SECONDS_MIN: Final = 1.0
PERIOD_STEP_SECONDS: Final = 0.1
"""What an instance is billed at least when it wakes, and in which steps:
https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#billing
"""
TURN_SECONDS: Final = 0.05
"""What a function is awake for an event, its steps not counted: an assumption."""
GIGABYTE: Final = 1e9
MILLION: Final = 1e6
NOT_COUNTED: Final = (
    "the models themselves: `aos cost` shows what they came to",
    "Application Insights and Log Analytics, by the gigabyte",
    "traffic that leaves the region, Key Vault, retries, hours of alerts and housekeeping",
)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A month. What has a default is an assumption, and is said with the result."""

    events: int
    agents: int
    steps: float = 0.0
    """Calls of models and tools that are recorded, in each event."""
    step_seconds: float = 1.0
    """How long each takes, with the function awake."""
    together: int = 16
    """How many events share an instance at a time where there is much to do."""
    memory_gigabytes: float = 2.0
    """Of an instance."""
    state_bytes: int = 10_000
    """Of each agent."""
    event_bytes: int = 2_000
    """Of each event's row; as much again for each step. All are kept for a month."""

    def check(self) -> None:
        """Raises `InvalidInput`."""
        for name in ("events", "agents", "steps", "step_seconds", "state_bytes", "event_bytes"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InvalidInput(f"{name}={getattr(self, name)}: use a number of at least 0")
        for name in ("together", "memory_gigabytes"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInput(f"{name}={getattr(self, name)}: use a number above 0")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is billed; amounts in the currency of the prices."""

    what: str
    count: float
    unit: str
    price: float | None
    """Of one unit; None where the file has none."""
    cost: float | None
    free: float = 0.0
    """How many units are given each month; `cost` is without them."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which the same events may come."""

    name: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> float:
        """Of all that has a price."""
        return sum(line.cost or 0.0 for line in self.lines)

    @property
    def is_complete(self) -> bool:
        """Whether everything has a price."""
        return all(line.cost is not None for line in self.lines)


def per_event(load: Load) -> dict[str, float]:
    """Operations of one event that comes by HTTP to an agent which sleeps; with steps it is claimed first."""
    return {
        "table transactions": 1 + (1 + load.steps if load.steps else 0),
        "table reads": 1 + DOOR_READS,
        "broker operations": BROKER_OPERATIONS,
        "function executions": EXECUTIONS,
    }


def estimates(load: Load, known: Prices) -> tuple[Estimate, Estimate]:
    """The month where each event wakes an instance for itself, and where many are awake together. Raises
    `InvalidInput`.
    """
    load.check()
    awake_seconds = TURN_SECONDS + load.steps * load.step_seconds
    alone = _period(TURN_SECONDS) + _period(awake_seconds)
    shared = (TURN_SECONDS + awake_seconds) / load.together
    return (
        Estimate(name="alone", lines=tuple(_lines(load, known, alone))),
        Estimate(name="together", lines=tuple(_lines(load, known, shared))),
    )


def _lines(load: Load, known: Prices, awake_seconds: float) -> Iterator[Line]:
    """`awake_seconds`: for which an instance is billed, for each event."""
    each, events = per_event(load), load.events
    million, free = known.per_million, known.free_per_month
    table = million.get("table_transaction")
    requests = events * (each["table transactions"] + each["table reads"]) + load.agents
    yield _line("table requests", requests, "request", _of(table))
    yield _line(
        "broker operations",
        events * each["broker operations"],
        "operation",
        _of(million.get("servicebus_operation")),
        free.get("servicebus_operation", 0.0),
    )
    yield _line("broker, base charge", 1, "month", known.per_month.get("servicebus_standard"))
    yield _line(
        "function executions",
        events * each["function executions"],
        "execution",
        _of(million.get("functions_execution")),
        free.get("functions_execution", 0.0),
    )
    yield _line(
        "function memory",
        events * awake_seconds * load.memory_gigabytes,
        "GB-s",
        known.per_gigabyte_second.get("functions_flex"),
        free.get("functions_flex_gigabyte_seconds", 0.0),
    )
    kept = load.agents * load.state_bytes + events * load.event_bytes * (1 + load.steps)
    yield _line("table storage", kept / GIGABYTE, "GB-month", known.per_gigabyte_month.get("table"))


def _line(what: str, count: float, unit: str, price: float | None, free: float = 0.0) -> Line:
    cost = None if price is None else max(0.0, count - free) * price
    return Line(what=what, count=count, unit=unit, price=price, cost=cost, free=free)


def _of(per_million: float | None) -> float | None:
    return None if per_million is None else per_million / MILLION


def _period(seconds: float) -> float:
    """What is billed for an instance that is awake for so long, once."""
    steps = math.ceil(round(seconds / PERIOD_STEP_SECONDS, 6))
    return max(PERIOD_SECONDS_MIN, steps * PERIOD_STEP_SECONDS)


def document(load: Load, known: Prices | None = None) -> dict[str, Any]:
    """The estimate as `aos cost estimate --json` shows it. Raises `InvalidInput`."""
    known = known or prices()
    ways = estimates(load, known)
    database = [each for each in known.always_on if each.name == "database"]
    instead = [_without_tables(way) for way in ways]
    return {
        "load": msgspec.to_builtins(load),
        "operations_per_event": per_event(load),
        "estimates": {way.name: _shown(way, load) for way in ways},
        "beside": [
            {
                "what": "everything always on: " + "; ".join(each.what for each in known.always_on),
                "low": sum(each.low for each in known.always_on),
                "high": sum(each.high for each in known.always_on),
            },
            {
                "what": "the same functions and broker, with an always-on database in place of the tables: "
                + "; ".join(each.what for each in database),
                "low": _rounded(min(instead) + sum(each.low for each in database)),
                "high": _rounded(max(instead) + sum(each.high for each in database)),
            },
        ],
        "always_on": msgspec.to_builtins(known.always_on),
        "not_counted": list(NOT_COUNTED),
        "prices": {
            "as_of": known.as_of,
            "currency": known.currency,
            "region": known.region,
            "note": known.note,
            "sources": list(known.sources),
        },
    }


def _shown(way: Estimate, load: Load) -> dict[str, Any]:
    """The total is less the free grants, with the base charge; a million events are at list prices, without either."""
    listed = sum(line.count * (line.price or 0.0) for line in way.lines if line.unit != "month")
    return {
        "lines": [msgspec.to_builtins(line) | {"cost": _rounded(line.cost)} for line in way.lines],
        "total": _rounded(way.total),
        "per_million_events": _rounded(listed / load.events * MILLION) if load.events else None,
        "unknown": [line.what for line in way.lines if line.cost is None],
    }


def _without_tables(way: Estimate) -> float:
    return sum(line.cost or 0.0 for line in way.lines if not line.what.startswith("table"))


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 4)
