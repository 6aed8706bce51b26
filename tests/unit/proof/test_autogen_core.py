"""AutoGen core's runtime does the same work."""

from pathlib import Path

from AgentOperatingSystem.proof.bench.autogen_core import AutoGenCore
from AgentOperatingSystem.proof.bench.runner import run
from AgentOperatingSystem.proof.bench.scenarios import Scenario


async def test_the_same_work_in_memory(tmp_path: Path) -> None:
    result = await run(AutoGenCore(), Scenario(name="many", agents=3, in_flight=5), 30, tmp_path)
    assert (result.events, result.fsyncs) == (30, 0)


async def test_its_agents_count_and_keep_nine_texts(tmp_path: Path) -> None:
    contestant = AutoGenCore()
    await contestant.start(tmp_path, 2)
    answers = [await contestant.process(1, str(number), f"text {number}") for number in range(11)]
    assert answers[-1] == {"count": 11}
    assert (await contestant.state(1))["texts"] == [f"text {number}" for number in range(2, 11)]
    await contestant.stop()
