"""What the loads `steps` and `runaways` do: so many steps in each event, and runaways that their limits stop."""

from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.agents.steps import STEP
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.bench.aos_steps import AGENT, Bare, Functions, Models, Once, Steps, Tools
from AgentOperatingSystem.proof.bench.contestant import make
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN
from AgentOperatingSystem.proof.bench.runaways import Calm, PingPong
from AgentOperatingSystem.proof.bench.runner import run
from AgentOperatingSystem.proof.bench.scenarios import RUNAWAYS, Scenario
from AgentOperatingSystem.proof.bench.work import ContestantFailed, events

SMALL = Scenario(name="steps", agents=1, in_flight=1, warming_max=1)
PACED = Scenario(name="runaways", agents=1, in_flight=1, warming_max=1, per_second=50.0)


@pytest.mark.parametrize(
    ("contestant", "kind", "fsyncs"),
    [(Bare, "", 1), (Models, "model", 2), (Tools, "tool", 2), (Functions, "function", 10), (Once, "tool", 20)],
)
async def test_each_event_makes_ten_steps_of_its_kind(
    tmp_path: Path, contestant: type[Steps], kind: str, fsyncs: int
) -> None:
    made = contestant()
    await made.start(tmp_path, 1)
    try:
        before = made.counters()["fsyncs"]
        sent = next(events(1, 1))
        assert await made.process(*sent) == {"count": 1}
        assert made.counters()["fsyncs"] - before >= fsyncs
        assert made._aos is not None
        rows = (await made._aos.parts.store.rows(AgentId(AGENT, "0"), STEP)).items
    finally:
        await made.stop()
    kinds = [row.name.partition("/")[2].partition("-")[0] for row in rows]
    assert kinds == ([kind] * 10 if kind else [])


async def test_the_work_is_done_whatever_is_kept(tmp_path: Path) -> None:
    for number, contestant in enumerate((Bare, Once)):
        assert (await run(contestant(), SMALL, 5, tmp_path / str(number))).events == 5


@pytest.mark.parametrize("entry", [each for each in BUILT_IN if each.scenarios == RUNAWAYS], ids=lambda each: each.name)
async def test_a_neighbour_is_served_while_a_runaway_is_stopped_at_its_limit(entry: Any, tmp_path: Path) -> None:
    assert (await run(make(entry.factory), PACED, 40, tmp_path)).events == 40


async def test_a_runaway_that_passes_its_limit_is_no_figure(tmp_path: Path) -> None:
    class Unlimited(PingPong):
        limit = 5

    with pytest.raises(ContestantFailed, match="a runaway did 33; its limit is 5"):
        await run(Unlimited(), PACED, 100, tmp_path)


async def test_alone_nothing_runs_away(tmp_path: Path) -> None:
    calm = Calm()
    await run(calm, PACED, 2, tmp_path)
    assert calm._running is None
