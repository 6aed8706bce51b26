"""Chat with a host in a process of its own: it is killed in the middle of an answer, and nothing is said twice."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx2
import pytest

from tests.hosts import ROOT, TOKEN, hosting
from tests.waiting import waited

APP = Path(__file__).with_name("chat_app.py")
CHAT = "/api/v1/agents/clerk/chat"
AOS = [sys.executable, "-c", "import sys; from AgentOperatingSystem.cli import main; sys.exit(main())"]
STREAM = {"Accept": "text/event-stream"}


def events_of(answer: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """Names and documents of a stream, as they come."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "data" in fields:
                yield fields["event"], json.loads(fields["data"])
            fields = {}


def asked(client: httpx2.Client, message: str, key: str, until: str) -> list[tuple[str, Any]]:
    """What is heard up to and with the first event of this name."""
    found: list[tuple[str, Any]] = []
    headers = STREAM | {"Idempotency-Key": key}
    with client.stream("POST", CHAT, json={"message": message}, headers=headers) as answer:
        assert answer.status_code == 200
        for event in events_of(answer):
            found.append(event)
            if event[0] in (until, "result", "error"):
                break
    return found


def said(client: httpx2.Client) -> list[str]:
    return [each["text"] for each in client.get("/api/v1/agents/clerk/conversations/main").json()["items"]]


@pytest.mark.parametrize("until", ["step", "tool_result", "token"])
def test_a_host_that_is_killed_in_the_middle_answers_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, until: str
) -> None:
    monkeypatch.setenv("CHAT_SECONDS", "0.3" if until == "token" else "30")
    with hosting(tmp_path, app=APP) as host, host.client() as client:
        heard = asked(client, "look around", "k", until)
        assert heard[0][0] == "accepted"
        assert heard[-1][0] == until
        host.end(SIGKILL)
    monkeypatch.setenv("CHAT_SECONDS", "0")
    with hosting(tmp_path, app=APP) as host, host.client() as client:
        name, outcome = asked(client, "look around", "k", "result")[-1]
        assert (name, outcome["result"]) == ("result", "I have heard 3.")
        assert asked(client, "look around", "k", "result")[-1] == (name, outcome)
        assert said(client) == ["look around", "", "nothing there", "I have heard 3."]
    if until != "step":
        assert (tmp_path / "looked").read_text() == "there\n"  # what is done is not done again


def test_the_command_goes_on_over_a_restart_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_SECONDS", "2")
    command = [*AOS, "chat", "clerk", "--message", "Hello.", "--id", "k", "--token", TOKEN]
    with hosting(tmp_path, app=APP) as host:
        url = host.hears(r"listening on (\S+)")[1]
        port = int(url.rpartition(":")[2])
        with subprocess.Popen(
            [*command, "--url", url], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as talking:
            with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
                waited(lambda: client.get("/api/v1/agents/clerk").json(), lambda clerk: clerk.get("state") == "running")
            host.end(SIGKILL)
            monkeypatch.setenv("CHAT_SECONDS", "0")
            with hosting(tmp_path, app=APP, port=port):
                out, err = talking.communicate(timeout=60)
    assert talking.returncode == 0, err
    assert out.splitlines()[-1] == "I have heard 1."
    assert "connecting again" in err


def test_lines_of_standard_input_are_messages(tmp_path: Path) -> None:
    with hosting(tmp_path, app=APP) as host:
        url = host.hears(r"listening on (\S+)")[1]
        ran = subprocess.run(
            [*AOS, "chat", "clerk", "--url", url, "--token", TOKEN],
            cwd=ROOT,
            input="Hello.\nlook there\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "I have heard 1.",
        '  -> look({"where": "there"})',
        "  <- nothing there",
        "I have heard 5.",
    ]
