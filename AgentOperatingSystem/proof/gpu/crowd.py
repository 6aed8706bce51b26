"""A crowd at one GPU endpoint: a thousand agents ask at once what serves eight at a time, with the gate and without.

`aos bench --only inference` runs it in virtual time. The endpoint refuses every call beyond its eight with a 429, as
Azure's do; an agent whose call is refused for good rests as the kernel lets it rest, and asks again. What counts is how
many calls reach the endpoint for each answer (1 is no storm), and how long an agent has to wait.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Collection
from statistics import quantiles
from typing import Any

from rich import box
from rich.table import Table

from AgentOperatingSystem.clock import LoopClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ModelUnavailable, RateLimited
from AgentOperatingSystem.ml.answers import replayed
from AgentOperatingSystem.ml.gate import Gate
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.registry import Models
from AgentOperatingSystem.ml.wrappers import wrapped
from AgentOperatingSystem.proof.simulator.virtual_loop import run_virtual
from AgentOperatingSystem.reliability import backoff_seconds

NAME = "inference"
AGENTS = 1000
AT_ONCE = 8
ANSWER_SECONDS = 1.0
RETRY_SECONDS = 1.0
REST_SECONDS_MAX = 300.0
COLD_SECONDS = 20.0
WAYS = {
    "gate": (AT_ONCE, 0.0),
    "gate, endpoint cold": (AT_ONCE, COLD_SECONDS),
    "gate set too wide": (8 * AT_ONCE, 0.0),
    "no gate": (0, 0.0),
}
"""How many calls the gate lets in at once, 0 for none; and for how long the endpoint is cold."""
Report = dict[str, Any]
"""For each way to ask: answers, calls that reached the endpoint for each, refusals, and seconds until the answer."""


class Scarce:
    """An endpoint that serves `at_once` calls, each for about `ANSWER_SECONDS`, refuses the others with 429, and all of
    them with 503 while it is cold.
    """

    name = "azureml/scarce"
    capabilities = Capabilities(adapters=True)

    def __init__(self, at_once: int = AT_ONCE, cold_seconds: float = 0.0, seed: int = 0) -> None:
        self.offered = 0
        self.refused = 0
        self._at_once = at_once
        self._warm_at = asyncio.get_running_loop().time() + cold_seconds
        self._busy = 0
        self._random = random.Random(seed)

    async def complete(self, request: ModelRequest) -> ModelResponse:
        self.offered += 1
        if asyncio.get_running_loop().time() < self._warm_at:
            self.refused += 1
            raise ModelUnavailable("503: no instance is ready")
        if self._busy >= self._at_once:
            self.refused += 1
            raise RateLimited("429: too many pending requests", RETRY_SECONDS)
        self._busy += 1
        try:
            await asyncio.sleep(ANSWER_SECONDS * self._random.uniform(0.5, 1.5))
        finally:
            self._busy -= 1
        return ModelResponse(text="an answer", model="scarce", provider="azureml")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        for delta in replayed(await self.complete(request)):
            yield delta

    async def close(self) -> None:
        """There is nothing to let go of."""


def measure(agents: int = AGENTS, ways: Collection[str] = tuple(WAYS)) -> Report:
    """These ways to ask, each in a world of its own. The jitter of retries moves the figures a little."""
    found = {way: run_virtual(_crowd(agents, *WAYS[way])) for way in ways}
    return {"agents": agents, "serves": AT_ONCE, "ways": found}


def table(report: Report) -> Table:
    """The report for a person."""
    title = f"{NAME}: {report['agents']} agents, an endpoint that serves {report['serves']} at once (virtual time)"
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for column in ("", "answers", "calls per answer", "refused", "p50 s", "p95 s", "last s"):
        made.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for way, each in report["ways"].items():
        numbers = (each[name] for name in ("calls_per_answer", "refused", "p50_seconds", "p95_seconds", "last_seconds"))
        made.add_row(way, str(each["answers"]), *(f"{number:g}" for number in numbers))
    return made


async def _crowd(agents: int, let_in: int, cold_seconds: float) -> Report:
    endpoint = Scarce(cold_seconds=cold_seconds)
    clock, gate = LoopClock(), Gate(endpoint.name, at_once_max=let_in) if let_in else None
    settings = AOSConfig(model_attempts_max=3, model_wait_seconds_max=30, model_breaker_failures=5)
    model = wrapped(endpoint, Models(settings, clock=clock, report=lambda report: None).wraps(gate))
    luck = random.Random(1)
    seconds = await asyncio.gather(*(_agent(model, number, luck) for number in range(agents)))
    cuts = quantiles(seconds, n=20)
    return {
        "answers": len(seconds),
        "calls_per_answer": round(endpoint.offered / len(seconds), 3),
        "refused": endpoint.refused,
        "p50_seconds": round(cuts[9], 1),
        "p95_seconds": round(cuts[18], 1),
        "last_seconds": round(max(seconds), 1),
    }


async def _agent(model: ModelProvider, number: int, luck: random.Random) -> float:
    """How long one agent waits for its answer; between two tries it rests, as the kernel lets it."""
    loop, tries = asyncio.get_running_loop(), 0
    began = loop.time()
    while True:
        tries += 1
        try:
            await model.complete(ModelRequest.ask(f"question {number}"))
            return loop.time() - began
        except (RateLimited, ModelUnavailable) as error:
            rest = backoff_seconds(tries, 1.0, REST_SECONDS_MAX, luck.random())
            await asyncio.sleep(rest if error.after_seconds is None else error.after_seconds)
