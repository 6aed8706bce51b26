"""The boardroom as its users see it: a process, killed at any moment and run again, against the script of its votes."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, EventFailed
from AgentOperatingSystem.ml.records import ModelResponse
from AgentOperatingSystem.ml.scripted import ScriptedModel
from examples.boardroom import agents
from examples.boardroom.votes import Vote, outcome_of, vote_of
from tests.waiting import until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples/boardroom/script.json"
POSIX = pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
PROPOSALS = sorted(path.stem for path in (ROOT / "examples/boardroom/proposals").glob("*.json"))
TABLE = {
    "P-2026-01": "approve approve abstain approved 1",
    "P-2026-02": "approve approve approve approved 1",
    "P-2026-03": "approve reject reject rejected 1",
    "P-2026-04": "(approve) reject abstain undecided 1",
    "P-2026-05": "approve abstain approve approved 1",
    "P-2026-06": "approve reject abstain undecided 1",
}


# --- the process -----------------------------------------------------------------------------------------------------


@contextmanager
def room(data: Path, model: str = "") -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    environment |= {"AOS_DATA_DIR": str(data)} | ({"AOS_MODEL": model} if model else {})
    command = [sys.executable, "-W", "error", "-m", "examples.boardroom"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(data: Path, model: str = "") -> str:
    """Runs until it ends by itself."""
    with room(data, model) as process:
        output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    return output


def kill_after(data: Path, model: str, lines: int) -> None:
    """Runs until it has shown so many lines, then kills it in the middle of whatever it does."""
    with room(data, model) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def slow_script(folder: Path) -> str:
    """The script of the votes, with a model that takes its time: a kill then falls between two votes."""
    entries = [entry | {"delay_seconds": 0.02} for entry in json.loads(SCRIPT.read_text())]
    path = folder / "script.json"
    path.write_text(json.dumps(entries))
    return f"scripted/{path}"


def table_of(output: str) -> dict[str, str]:
    """The last columns of the final table, by proposal."""
    _, _, table = output.partition("What the board decided")
    rows = re.findall(r"^ *(P-\d{4}-\d\d) .*? ((?:\S+ +){4}\d+) *$", table, re.MULTILINE)
    return {proposal: " ".join(cells.split()) for proposal, cells in rows}


def summary(output: str) -> tuple[int, int, int]:
    """How many proposals there were, how many were applied in this run, and how many before it."""
    found = re.search(r"(\d+) proposals: (\d+) applied in this run, (\d+) before it\.", output)
    assert found is not None, output
    total, now, before = map(int, found.groups())
    return total, now, before


async def check_store(data: Path) -> None:
    """Each proposal was put to each director once, each vote came back once, each decision was told to each once."""
    async with AgentOperatingSystem(AOSConfig(data_dir=data)) as aos:
        for director in agents.DIRECTORS:
            rows = (await aos.context_server(director).history(limit=1000)).items
            kinds = sorted((row.event.type, row.status.value) for row in rows)
            assert kinds == [(agents.DECIDED, "done")] * 6 + [(agents.VOTE, "done")] * 6
            assert (await aos.context_server(director).load_state())["votes"] == 6
            assert len(await aos.context_server(director).recall_prefix("decision/", 100)) == 6
        for proposal in PROPOSALS:
            rows = (await aos.context_server(f"board/{proposal}").history(limit=1000)).items
            kinds = sorted((row.event.type, row.status.value) for row in rows if row.status.value != "cancelled")
            assert kinds == [("aos.reply", "done")] * 3 + [(agents.SUBMITTED, "done")]
            state = await aos.context_server(f"board/{proposal}").load_state()
            assert (state["awaited"], sorted(state["votes"])) == ({}, sorted(agents.DIRECTORS))


async def test_it_decides_and_the_second_run_applies_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, f"scripted/{SCRIPT}")
    assert summary(first) == (6, 6, 0)
    assert table_of(first) == TABLE
    assert "NOT COUNTED" in first
    assert "A personal wish is no strategic reason." in first
    assert "OFFLINE" not in first
    second = run(tmp_path, f"scripted/{SCRIPT}")
    assert summary(second) == (6, 0, 6)
    assert table_of(second) == TABLE
    assert second.count("already before the board") == 6
    assert "reject" not in second.partition("What the board decided")[0], "something was decided again"
    await check_store(tmp_path)


def test_offline_nobody_votes_and_it_says_so(tmp_path: Path) -> None:
    output = run(tmp_path)
    assert set(table_of(output).values()) == {"none none none undecided 1"}
    assert "OFFLINE: no model thought about 6 of them" in output
    assert "serves the purpose" not in output


@POSIX
@pytest.mark.parametrize("seed", range(3))
async def test_killed_and_run_again_the_table_is_the_same(tmp_path: Path, seed: int) -> None:
    model, points = slow_script(tmp_path), random.Random(seed).sample(range(6, 26), 2)
    for lines in points:
        kill_after(tmp_path / "data", model, lines)
    output = run(tmp_path / "data", model)
    total, now, before = summary(output)
    assert (total, now + before) == (6, 6)
    assert before > 0, f"killed after {points} lines, and nothing was remembered"
    assert table_of(output) == TABLE
    await check_store(tmp_path / "data")


# --- its agents ------------------------------------------------------------------------------------------------------

PROPOSAL = {"title": "Paint the roof", "amount_eur": 1}
APPROVE = '{"vote": "approve", "reasoning": "It shines."}'
ALIGNED = '{"aligned": true, "reason": "Fine."}'


@asynccontextmanager
async def board(folder: Path, **models: Any) -> AsyncIterator[AgentOperatingSystem]:
    """A board whose directors think with these models, or with none."""
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, attempts_max=1), routes=agents.routes) as aos:
        await aos.register_agent(agents.Board)
        for kind in (agents.CEOAgent, agents.CFOAgent, agents.CTOAgent):
            director = kind()
            director.model = models.get(director.agent_id, "")
            await aos.register_agent(director)
        yield aos


async def put(aos: AgentOperatingSystem, **fields: Any) -> Any:
    """Puts proposal `p` to the board."""
    return await aos.process_event({"type": agents.SUBMITTED, "subject": "p", "data": PROPOSAL, **fields}, 10.0)


async def decided(aos: AgentOperatingSystem) -> dict[str, Any]:
    """The decision on proposal `p`."""

    async def look() -> Any:
        return (await aos.context_server("board/p").load_state() or {}).get("decision")

    return dict(await until(look, bool))


def votes(*said: tuple[str, bool | None]) -> list[Vote]:
    return [Vote.model_validate({"director": "d", "vote": vote, "aligned": aligned}) for vote, aligned in said]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ([("approve", True), ("approve", True), ("reject", True)], "approved"),
        ([("reject", True), ("approve", True), ("reject", True)], "rejected"),
        ([("approve", True), ("reject", True), ("abstain", True)], "undecided"),
        ([("approve", True), ("approve", False), ("abstain", True)], "undecided"),
        ([("reject", True), ("reject", None), ("absent", None)], "undecided"),
        ([("none", None)] * 3, "undecided"),
    ],
)
def test_two_votes_that_serve_their_purpose_decide(said: list[tuple[str, bool | None]], outcome: str) -> None:
    assert outcome_of(votes(*said)) == outcome


def test_nobody_s_answer_is_an_empty_chair() -> None:
    assert vote_of("cto", None).vote == "absent"


async def test_the_decision_carries_each_one_s_reasoning_and_verdict(tmp_path: Path) -> None:
    declined = ModelResponse(text="I would rather not.", finish_reason="refusal")
    against = '{"aligned": false, "reason": "It spends."}'
    models = {
        "ceo": ScriptedModel([APPROVE, ALIGNED]),
        "cfo": ScriptedModel([APPROVE, against]),
        "cto": ScriptedModel([declined, declined]),
    }
    async with board(tmp_path, **models) as aos:
        assert await put(aos) == {"asked": ["ceo", "cfo", "cto"]}
        decision = await decided(aos)
    ceo, cfo, cto = decision["votes"]
    assert (decision["proposal"], decision["outcome"]) == ("p", "undecided")
    assert (ceo["vote"], ceo["reasoning"], ceo["aligned"], ceo["verdict"]) == ("approve", "It shines.", True, "Fine.")
    assert (cfo["vote"], cfo["aligned"], cfo["verdict"]) == ("approve", False, "It spends.")
    assert (cto["vote"], cto["reasoning"], cto["aligned"]) == ("declined", "I would rather not.", None)
    prompts = [model.requests[0].messages[0].text for model in models.values()]
    assert ["Your purpose: Strategic oversight" in prompt for prompt in prompts] == [True, False, False]


async def test_directors_remember_what_was_decided(tmp_path: Path) -> None:
    models = {name: ScriptedModel([APPROVE, ALIGNED] * 2) for name in agents.DIRECTORS}
    async with board(tmp_path, **models) as aos:
        await put(aos)
        await decided(aos)

        async def noted() -> list[Any]:
            return [(await aos.context_server(name).load_state()).get("decided") for name in agents.DIRECTORS]

        await until(noted, all)
        await aos.process_event({"type": agents.SUBMITTED, "subject": "q", "data": {"title": "Again"}}, 10.0)
        await until(lambda: _asked(models), lambda asked: asked == [4, 4, 4])
    for model in models.values():
        assert "before: nothing yet." in model.requests[0].messages[0].text
        assert "before: Paint the roof: approved." in model.requests[2].messages[0].text


async def _asked(models: dict[str, ScriptedModel]) -> list[int]:
    return [len(model.requests) for model in models.values()]


async def test_who_does_not_vote_in_time_leaves_an_empty_chair_and_a_late_vote_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents, "VOTE_SECONDS", 0.5)
    models = {name: ScriptedModel([APPROVE, ALIGNED]) for name in agents.DIRECTORS}
    async with board(tmp_path, **models) as aos:
        await aos.lifecycle.control(aos.address("cto"), "pause")
        await put(aos)
        decision = await decided(aos)
        await aos.lifecycle.control(aos.address("cto"), "resume")
        await until(lambda: aos.context_server("cto").load_state(), lambda state: (state or {}).get("votes") == 1)
        assert await decided(aos) == decision
    assert [vote["vote"] for vote in decision["votes"]] == ["approve", "approve", "absent"]
    assert decision["outcome"] == "approved"


@pytest.mark.parametrize(("data", "said"), [("Paint the roof", "a title"), ({"amount": 1}, "a title")])
async def test_what_is_no_proposal_is_refused(tmp_path: Path, data: Any, said: str) -> None:
    async with board(tmp_path) as aos:
        with pytest.raises(EventFailed, match=said):
            await put(aos, data=data)


async def test_a_proposal_is_put_once(tmp_path: Path) -> None:
    async with board(tmp_path) as aos:
        await put(aos, id="1")
        with pytest.raises(EventFailed, match="lies before the board already"):
            await put(aos, id="2")
        with pytest.raises(EventFailed, match="awaits no"):
            await aos.process_event({"type": "aos.reply", "agent": "board/p", "correlation": "x"}, 10.0)
