"""One run in a process of its own: `python -m AgentOperatingSystem.proof.bench.child JSON`.

`rounds` starts it, with the interpreter of the contestant. It needs the standard library and the contestant's
modules, nothing else. Standard output is one JSON object, the figures. Exit status 2: the work was not done, 3: a
module is missing; standard error says what.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.hosting import garbage
from AgentOperatingSystem.proof.bench.contestant import make
from AgentOperatingSystem.proof.bench.runner import run
from AgentOperatingSystem.proof.bench.scenarios import Scenario

WORK_NOT_DONE = 2
MODULE_MISSING = 3


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the child is to run; travels as JSON."""

    factory: str
    scenario: Scenario
    events: int
    seconds_max: float
    folder: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Order":
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "scenario": Scenario(**fields["scenario"])})


def figures(order: Order) -> Mapping[str, float | None]:
    """Runs the order here and now."""
    contestant = make(order.factory)
    garbage.calm()
    folder = Path(order.folder)
    return asdict(asyncio.run(run(contestant, order.scenario, order.events, folder, order.seconds_max)))


def main(argument: str) -> int:
    """Runs the order that the argument is, prints its figures, and returns the exit status."""
    try:
        sys.stdout.write(json.dumps(figures(Order.from_json(argument))) + "\n")
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return MODULE_MISSING
    except AOSError as error:
        sys.stderr.write(f"{error}\n")
        return WORK_NOT_DONE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
