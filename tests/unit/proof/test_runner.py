"""One run: its figures, its callers, and that wrong work has no figures."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from AgentOperatingSystem.proof.bench.runner import percentile, run
from AgentOperatingSystem.proof.bench.scenarios import Scenario
from AgentOperatingSystem.proof.bench.work import ContestantFailed
from tests.unit.proof.runtimes import Broken, Forgetful, InMemory, Repeating, Swallowing, Syncing

SMALL = Scenario(name="small", agents=3, in_flight=4)


async def test_a_result_has_every_figure(tmp_path: Path) -> None:
    result = await run(InMemory(), SMALL, 50, tmp_path)
    assert result.events == 50
    assert result.events_per_second > 0
    assert 0 < result.p50_ms <= result.p99_ms
    assert result.rss_mb is not None
    assert 5 < result.rss_mb < 5_000
    assert result.cpu_ms_per_event > 0
    assert result.fsyncs is None


async def test_as_many_callers_wait_as_the_scenario_says(tmp_path: Path) -> None:
    contestant = InMemory()
    await run(contestant, SMALL, 50, tmp_path)
    assert contestant.in_flight_max == 4


async def test_warming_up_is_done_but_not_measured(tmp_path: Path) -> None:
    contestant = InMemory()
    await run(contestant, SMALL, 50, tmp_path)
    assert len(contestant.seen) == 54
    assert sum(state["count"] for state in contestant.states.values()) == 54


async def test_fsyncs_of_the_warming_up_are_left_out(tmp_path: Path) -> None:
    assert (await run(Syncing(), SMALL, 50, tmp_path)).fsyncs == 100


async def test_a_run_ends_when_its_time_is_over(tmp_path: Path) -> None:
    assert (await run(InMemory(), SMALL, 1_000_000, tmp_path, seconds_max=0)).events == 4


async def test_events_come_at_their_pace_and_are_timed_from_when_they_were_due(tmp_path: Path) -> None:
    class Slow(InMemory):
        async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
            await asyncio.sleep(0.05)
            return await super().process(agent_number, event_id, text)

    began = time.monotonic()
    paced = Scenario(name="paced", agents=1, in_flight=1, warming_max=1, per_second=100.0)
    result = await run(Slow(), paced, 40, tmp_path)
    assert result.events == 40
    assert time.monotonic() - began < 40 * 0.05  # nobody waited for the one before
    assert 50 <= result.p50_ms <= result.p95_ms <= result.p99_ms


async def test_an_error_at_a_pace_comes_out_as_it_is(tmp_path: Path) -> None:
    paced = Scenario(name="paced", agents=1, in_flight=1, warming_max=0, per_second=100.0)
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        await run(Broken(), paced, 5, tmp_path)


@pytest.mark.parametrize("wrong", [Forgetful, Swallowing, Repeating])
async def test_wrong_work_has_no_figures(wrong: type[InMemory], tmp_path: Path) -> None:
    contestant = wrong()
    with pytest.raises(ContestantFailed, match="agent"):
        await run(contestant, SMALL, 20, tmp_path)
    assert contestant.stopped


async def test_a_contestants_own_error_comes_out_as_it_is(tmp_path: Path) -> None:
    contestant = Broken()
    with pytest.raises(RuntimeError, match="the disk is on fire"):
        await run(contestant, SMALL, 20, tmp_path)
    assert contestant.stopped


@pytest.mark.parametrize(("share", "value"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_percentiles_are_values_that_occurred(share: float, value: float) -> None:
    assert percentile([float(number) for number in range(1, 101)], share) == value
