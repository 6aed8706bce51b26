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
        stars = [delivery["repository"]["stargazers_count"] for delivery in deliveries if "repository" in delivery]
        state |= {
            "open_issues": still_open(deliveries, "issue"),
            "open_pull_requests": still_open(deliveries, "pull_request"),
            "stars": stars[-1] if stars else 0,
        }
    return state


EXPECTED = expected()


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
def desk(data: Path, *, once: bool = True, port: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """The desk as a process; without a port it chooses one itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AOS_")}
    environment |= (
        {"AOS_DATA_DIR": str(data)} | ({"AOS_PORT": str(port)} if port else {}) | ({"ONCE": "1"} if once else {})
    )
    command = [sys.executable, "-m", "examples.triage_desk"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def run(data: Path) -> str:
    """Runs until it ends by itself."""
    with desk(data, port=free_port()) as process:
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


def kill_after(data: Path, lines: int) -> None:
    """Runs until it has shown so many lines, then kills it in the middle of whatever it does."""
    with desk(data, port=free_port()) as process:
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
    table, _, _ = table.partition("deliveries: ")
    return [" ".join(line.split()) for line in table.splitlines() if "/" in line]


def expected_table() -> list[str]:
    return [" ".join(map(str, expected_row(agent, state))) for agent, state in sorted(EXPECTED.items())]


def expected_row(agent: str, state: dict[str, Any]) -> list[Any]:
    opened = [len(state[name]) for name in ("open_issues", "open_pull_requests") if name in state]
    stars = [state["stars"]] if "stars" in state else []
    return [agent, state["deliveries"], len(state["counts"]), state["deliveries"], *opened, *stars, state["last_actor"]]


async def check_store(data: Path) -> None:
    """The states are those of the files, and each delivery is in exactly one history, once."""
    async with AgentOperatingSystem(AOSConfig(data_dir=data)) as aos:
        heads = [head for head in (await aos.agents(limit=1000)).items if not head.agent.name.startswith("aos.")]
        states = {str(head.agent): await aos.context_server(head.agent).load_state() for head in heads}
        histories = [(await aos.context_server(head.agent).history(limit=1000)).items for head in heads]
    assert states == EXPECTED
    rows = [row for history in histories for row in history]
    assert len({row.event.id for row in rows}) == len(rows) == len(DELIVERIES)
    assert {row.status.value for row in rows} == {"done"}


async def test_an_undisturbed_run_knows_what_the_files_say(tmp_path: Path) -> None:
    output = run(tmp_path)
    assert summary(output) == (137, 137, 0)
    assert table_of(output) == expected_table()
    assert output.count("  repo.changed") == 128
    assert output.count("  org.changed") == 9
    assert "already applied" not in output
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
