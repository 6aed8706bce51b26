"""A team of two talks about each text once, with us and with AutoGen alone; and interpreters that import or do not."""

from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.proof.bench import talk
from AgentOperatingSystem.proof.bench.contestant import make
from AgentOperatingSystem.proof.bench.contestants import BUILT_IN
from AgentOperatingSystem.proof.bench.importing import Bare
from AgentOperatingSystem.proof.bench.runner import run
from AgentOperatingSystem.proof.bench.scenarios import IMPORTING, TEAMS, Scenario, scenarios_named
from AgentOperatingSystem.proof.bench.work import ContestantFailed, events

TALKERS = [entry for entry in BUILT_IN if {*TEAMS, "steps_team"}.intersection(entry.scenarios)]
SHORT = Scenario(name="team", agents=2, in_flight=2, life=3)


@pytest.mark.parametrize("entry", TALKERS, ids=lambda entry: entry.name)
async def test_every_text_is_heard_once_and_kept(entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGEN_DISABLE_RUNTIME_TRACING", raising=False)  # what a contestant sets ends with the test
    result = await run(make(entry.factory), SHORT, 12, tmp_path)
    assert result.events == 12
    assert result.fsyncs is not None
    assert (result.fsyncs > 0) == entry.name.startswith("aos_team")


@pytest.mark.parametrize("entry", TALKERS, ids=lambda entry: entry.name)
async def test_both_members_say_the_same_everywhere(
    entry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOGEN_DISABLE_RUNTIME_TRACING", raising=False)
    contestant = make(entry.factory)
    await contestant.start(tmp_path, 1)
    try:
        sent = [next_one for next_one, _ in zip(events(1, 1), range(3), strict=False)]
        answers = [await contestant.process(*each) for each in sent]
        kept = await contestant.state(0)
    finally:
        await contestant.stop()
    assert answers == [{"count": 1}, {"count": 2}, {"count": 3}]
    assert kept["count"] == 3
    assert kept["texts"][-3:] == [each.text for each in sent]


def test_the_model_counts_texts_and_not_its_own_words() -> None:
    text = next(events(1, 1)).text
    assert talk.counted(talk.reply(["You are the reader.", text, talk.reply([text]), text])) == {"count": 2}


@pytest.mark.parametrize(
    "entry", [each for each in BUILT_IN if each.scenarios == IMPORTING], ids=lambda each: each.name
)
async def test_an_interpreter_starts_and_ends(entry: Any, tmp_path: Path) -> None:
    (scenario,) = scenarios_named(["import"], 1)
    assert (await run(make(entry.factory), scenario, 1, tmp_path)).events == 1


async def test_an_import_that_fails_is_no_figure(tmp_path: Path) -> None:
    class Broken(Bare):
        code = "raise SystemExit(3)"

    with pytest.raises(ContestantFailed, match="exit status 3"):
        await run(Broken(), Scenario(name="import", agents=1, in_flight=1), 1, tmp_path)
