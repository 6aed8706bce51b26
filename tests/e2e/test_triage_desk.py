"""The triage desk as its users see it: a process, killed at any moment and run again, against counts from the files."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.storage.records import EventRow

ROOT = Path(__file__).parents[2]
DELIVERIES = sorted((ROOT / "examples/triage_desk/deliveries").glob("*/*.json"))
POSIX = pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")


# --- what must come out, from the files alone ------------------------------------------------------------------------


def home(delivery: dict[str, Any]) -> str:
    if delivery.get("repository"):
        return f"repo/{delivery['repository']['full_name']}"
    return f"org/{delivery['organization']['login']}" if "organization" in delivery else "repo/unknown"


def kind(path: Path, delivery: dict[str, Any]) -> str:
    return ".".join([path.parent.name, *([delivery["action"]] if "action" in delivery else [])])


def still_open(deliveries: list[dict[str, Any]], wanted: str) -> list[int]:
    """Numbers whose last word was `open`: of issues, or of pull requests, which GitHub's issue events speak of too."""
    last: dict[int, str] = {}
    for delivery in deliveries:
        for name in ("issue", "pull_request"):
            item = delivery.get(name, {})
            what = "pull_request" if name == "pull_request" or "pull_request" in item else "issue"
            if what == wanted and item.get("state"):
                gone = delivery["action"] in ("deleted", "transferred") and "comment" not in delivery
                last[item["number"]] = "gone" if gone else item["state"]
    return sorted(number for number, state in last.items() if state == "open")


WAKES_THE_TEAM = (
    "issues.opened",
    "issues.reopened",
    "issue_comment.created",
    "pull_request.opened",
    "pull_request.reopened",
    "pull_request.ready_for_review",
    "pull_request_review_comment.created",
)


def to_judge(found: list[tuple[Path, dict[str, Any]]]) -> dict[int, tuple[str, str]]:
    """Kind and title of what the team is to judge, by number."""
    items: dict[int, tuple[str, str]] = {}
    for path, delivery in found:
        name = "issue" if "issue" in delivery else "pull_request"
        if kind(path, delivery) in WAKES_THE_TEAM:
            items[delivery[name]["number"]] = (name, delivery[name]["title"])
    return items


def expected() -> dict[str, dict[str, Any]]:
    by_home: dict[str, list[tuple[Path, dict[str, Any]]]] = {}
    for path in DELIVERIES:
        delivery = json.loads(path.read_text())
        by_home.setdefault(home(delivery), []).append((path, delivery))
    return {agent: state_of(agent, found) for agent, found in by_home.items()}


def state_of(agent: str, found: list[tuple[Path, dict[str, Any]]]) -> dict[str, Any]:
    deliveries = [delivery for _, delivery in found]
    state: dict[str, Any] = {
        "deliveries": len(found),
        "counts": dict(Counter(kind(path, delivery) for path, delivery in found)),
        "last_actor": [delivery["sender"]["login"] for delivery in deliveries if "sender" in delivery][-1],
    }
    if agent.startswith("repo/"):
        state["triage"] = {
            str(number): {
                "kind": kind,
                "title": title,
                "request": "",
                "verdict": None,
                "reason": "no model configured",
                "text": "",
                "model": "offline",
            }
            for number, (kind, title) in to_judge(found).items()
        }
        stars = [delivery["repository"]["stargazers_count"] for delivery in deliveries if "repository" in delivery]
        state |= {
            "open_issues": still_open(deliveries, "issue"),
            "open_pull_requests": still_open(deliveries, "pull_request"),
            "stars": stars[-1] if stars else 0,
        }
    return state


EXPECTED = expected()
WAKINGS = sum(kind(path, json.loads(path.read_text())) in WAKES_THE_TEAM for path in DELIVERIES)
SCRIPT = "scripted/examples/triage_desk/script.json"
ITEMS = {1: "Spelling error in the README file", 2: "Update the README with new information."}


def test_the_files_say_what_they_should() -> None:
    assert len(DELIVERIES) == 137
    assert {agent: state["deliveries"] for agent, state in EXPECTED.items()} == {
        "org/Octocoders": 9,
        "repo/Codertocat/Hello-World": 101,
        "repo/Octocoders/Hello-World": 8,
        "repo/github/hello-world": 1,
        "repo/octo-org/octo-repo": 8,
        "repo/terraform-test-github/sample-app": 1,
        "repo/unknown": 9,
    }


# --- the process -----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def desk(data: Path, *, once: bool = True, port: int | None = None, model: str = "") -> Iterator[subprocess.Popen[str]]:
    """The desk as a process; without a port it chooses one itself, without a model its team has none."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    environment |= (
        {"AOS_DATA_DIR": str(data)} | ({"AOS_PORT": str(port)} if port else {}) | ({"ONCE": "1"} if once else {})
    )
    environment |= {"AOS_MODEL": model} if model else {}
    command = [sys.executable, "-m", "examples.triage_desk"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(data: Path, model: str = "") -> str:
    """Runs until it ends by itself."""
    with desk(data, port=free_port(), model=model) as process:
        output, _ = process.communicate(timeout=100)
    assert process.returncode == 0, output
    return output


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    assert process.stdout is not None
    shown: list[str] = []
    while not shown or text not in shown[-1]:
        shown.append(process.stdout.readline())
        assert shown[-1], f"it ended too early: {shown}"
    return shown


def kill_after(data: Path, lines: int, model: str = "") -> None:
    """Runs until it has shown so many lines, then kills it in the middle of whatever it does."""
    with desk(data, port=free_port(), model=model) as process:
        for _ in range(lines):
            read_until(process, "\n")
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def typed(line: str) -> str:
    """What a line that the desk offers prints when it is typed."""
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(line, shell=True, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def summary(output: str) -> tuple[int, int, int]:
    """How many deliveries there were, how many were applied in this run, and how many before it."""
    found = re.search(r"(\d+) deliveries: (\d+) applied in this run, (\d+) before it\.", output)
    assert found is not None, output
    total, now, before = map(int, found.groups())
    return total, now, before


def table_of(output: str) -> list[str]:
    """The rows of the final table."""
    _, _, table = output.partition("What the agents remember")
    table, _, _ = table.partition("What the team says")
    return [" ".join(line.split()) for line in table.splitlines() if "/" in line]


def expected_table() -> list[str]:
    return [" ".join(map(str, expected_row(agent, state))) for agent, state in sorted(EXPECTED.items())]


def expected_row(agent: str, state: dict[str, Any]) -> list[Any]:
    opened = [len(state[name]) for name in ("open_issues", "open_pull_requests") if name in state]
    stars = [state["stars"]] if "stars" in state else []
    return [agent, state["deliveries"], len(state["counts"]), state["deliveries"], *opened, *stars, state["last_actor"]]


async def stored(data: Path) -> tuple[dict[str, Any], dict[str, list[EventRow]]]:
    """Every agent's state and history."""
    async with AgentOperatingSystem(AOSConfig(data_dir=data)) as aos:
        heads = [head for head in (await aos.agents(limit=1000)).items if not head.agent.name.startswith("aos.")]
        states = {str(head.agent): await aos.context_server(head.agent).load_state() for head in heads}
        histories = {
            str(head.agent): list((await aos.context_server(head.agent).history(limit=1000)).items) for head in heads
        }
    return states, histories


async def check_store(data: Path) -> None:
    """The states are those of the files, and each delivery is in exactly one history, once."""
    states, histories = await stored(data)
    assert {agent: state for agent, state in states.items() if agent in EXPECTED} == EXPECTED
    check_deliveries(histories)


def check_deliveries(histories: dict[str, list[EventRow]]) -> None:
    """Each delivery was applied once, each question was asked once and answered once."""
    rows = [row for history in histories.values() for row in history]
    kinds = Counter(row.event.type.partition(".")[0] for row in rows)
    assert kinds == {"github": len(DELIVERIES), "triage": WAKINGS, "aos": WAKINGS}
    assert len({row.event.id for row in rows}) == len(rows)
    assert {row.status.value for row in rows} == {"done"}


async def test_an_undisturbed_run_knows_what_the_files_say(tmp_path: Path) -> None:
    output = run(tmp_path)
    assert summary(output) == (137, 137, 0)
    assert table_of(output) == expected_table()
    assert output.count("  repo.changed") == 128
    assert output.count("  org.changed") == 9
    assert "already applied" not in output
    assert "by the model offline" in output
    assert output.count("no verdict: no") == len(ITEMS)
    assert "repo.triaged" not in output
    await check_store(tmp_path)


@POSIX
@pytest.mark.parametrize("seed", range(3))
async def test_killed_and_run_again_it_ends_as_if_undisturbed(tmp_path: Path, seed: int) -> None:
    points = random.Random(seed).sample(range(1, 130), 2)
    for lines in points:
        kill_after(tmp_path, lines)
    output = run(tmp_path)
    total, now, before = summary(output)
    assert (total, now + before) == (137, 137)
    assert before > 0, f"killed after {points} lines, and nothing was remembered"
    assert output.count("already applied") == before
    assert table_of(output) == expected_table()
    await check_store(tmp_path)


@POSIX
def test_it_stays_open_takes_what_is_sent_and_closes_at_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else may have it, which is as good
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        with desk(tmp_path, once=False) as process:
            shown = read_until(process, "stays open until Ctrl-C")
            sent, state = (json.loads(typed(line)) for line in shown if line.startswith("  aos "))
            seen = read_until(process, "star.created")
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=30)
    assert re.fullmatch(r"listening on http://127\.0\.0\.1:8(08[1-9]|09\d|1\d\d)\n", shown[0])
    assert [line for line in shown if line.startswith("token: ")] != []
    assert (sent["stars"], sent["last_actor"], sent["deliveries"]) == (2, "you", 9)
    assert state == EXPECTED["repo/octo-org/octo-repo"] | {
        "deliveries": 9,
        "counts": EXPECTED["repo/octo-org/octo-repo"]["counts"] | {"star.created": 1},
        "stars": 2,
        "last_actor": "you",
    }
    assert "stars 2" in seen[-1]
    assert process.returncode == 0, rest
    assert "Traceback" not in rest


# --- the team --------------------------------------------------------------------------------------------------------


def judged(labels: list[str], next_step: str, summary: str, title: int, kind: str) -> dict[str, Any]:
    return {
        "verdict": {"labels": labels, "priority": "low", "next_step": next_step, "summary": summary},
        "reason": "",
        "text": "",
        "model": SCRIPT,
        "kind": kind,
        "title": ITEMS[title],
        "request": "",
    }


JUDGED = {
    "1": judged(["bug", "documentation"], "fix", "A typo in the README.", 1, "issue"),
    "2": judged(
        ["documentation"], "review", "A README change that awaits review; emoji were asked for.", 2, "pull_request"
    ),
}
JUDGED_REPO = "repo/Codertocat/Hello-World"
JUDGED_STATES = EXPECTED | {JUDGED_REPO: EXPECTED[JUDGED_REPO] | {"triage": JUDGED}}


def talk_of(state: dict[str, Any]) -> list[tuple[str, str]]:
    """Who said what in a team's conversation."""
    (manager,) = (each for each in state["autogen"]["agent_states"].values() if "message_thread" in each)
    return [(message["source"], message["content"]) for message in manager["message_thread"]]


def written(script: Path, delay_seconds: float) -> str:
    """The script with answers that take so long; the model's name is that of the file."""
    answers = json.loads((ROOT / "examples/triage_desk/script.json").read_text())
    script.write_text(json.dumps([answer | {"delay_seconds": delay_seconds} for answer in answers]))
    return f"scripted/{script}"


async def check_judged(data: Path, model: str = SCRIPT) -> dict[str, list[tuple[str, str]]]:
    """The repositories are judged as the script says, each question once; answers the team's talks."""
    states, histories = await stored(data)
    for item in states[JUDGED_REPO]["triage"].values():
        assert item.pop("model") == model
        item["model"] = SCRIPT
    assert {agent: state for agent, state in states.items() if agent in EXPECTED} == JUDGED_STATES
    check_deliveries(histories)
    talks = {agent: talk_of(state) for agent, state in states.items() if agent.startswith("triage/")}
    assert sorted(talks) == ["triage/Codertocat/Hello-World#1", "triage/Codertocat/Hello-World#2"]
    assert [source for talk in talks.values() for source, _ in talk] == ["user", "reader", "triager"] * WAKINGS
    return talks


async def test_a_team_judges_and_every_verdict_is_kept_and_published(tmp_path: Path) -> None:
    output = run(tmp_path, SCRIPT)
    assert summary(output) == (137, 137, 0)
    assert table_of(output) == expected_table()
    assert f"by the model {SCRIPT}" in output
    assert re.search(r"the team's verdict on #1 .* low · fix · bug, documentation +repo.triaged", output)
    assert re.search(r"Hello-World#2 .* documentation +low +review +A README change", output)
    talks = await check_judged(tmp_path)
    again = run(tmp_path, SCRIPT)
    assert summary(again) == (137, 0, 137)
    assert "repo.triaged" not in again
    assert await check_judged(tmp_path) == talks


@POSIX
@pytest.mark.parametrize("seed", range(2))
async def test_a_team_killed_in_the_middle_says_what_it_says_undisturbed(tmp_path: Path, seed: int) -> None:
    model = written(tmp_path / "script.json", delay_seconds=100)
    with desk(tmp_path / "killed", port=free_port(), model=model) as process:
        read_until(process, "issue_comment.created")  # the team has been asked, and its first answer never comes
        process.send_signal(signal.SIGKILL)
    states, _ = await stored(tmp_path / "killed")
    assert not states.get("triage/Codertocat/Hello-World#1"), "the first talk was over before the kill"
    assert written(tmp_path / "script.json", delay_seconds=0.2) == model
    run(tmp_path / "undisturbed", model)
    kill_after(tmp_path / "killed", random.Random(seed).randrange(80, 130), model)
    output = run(tmp_path / "killed", model)
    assert table_of(output) == expected_table()
    assert await check_judged(tmp_path / "killed", model) == await check_judged(tmp_path / "undisturbed", model)


async def test_what_nobody_could_judge_is_judged_when_there_is_a_model(tmp_path: Path) -> None:
    run(tmp_path)
    output = run(tmp_path, SCRIPT)
    assert summary(output) == (137, 0, 137)
    assert output.count("  repo.triaged") == len(ITEMS)
    states, _ = await stored(tmp_path)
    assert {agent: state for agent, state in states.items() if agent in EXPECTED} == JUDGED_STATES


def test_without_a_model_autogen_is_not_loaded(tmp_path: Path) -> None:
    program = "import sys; from examples.triage_desk.__main__ import main; main(); print('autogen_core' in sys.modules)"
    given = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    given |= {"AOS_DATA_DIR": str(tmp_path), "AOS_PORT": str(free_port()), "ONCE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=given, capture_output=True, text=True, timeout=100
    )
    assert ran.stdout.splitlines()[-1] == "False", ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("openai/gpt-4o-mini", "openai_api_key"),
        ("nobody/model", "no provider 'nobody'"),
        ("scripted/no-such-file.json", "no-such-file.json"),
    ],
)
def test_a_model_that_cannot_think_is_refused_at_once(tmp_path: Path, model: str, named: str) -> None:
    with desk(tmp_path, port=free_port(), model=model) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert named in output
    assert len(output.splitlines()) == 1
