"""The local host as its users run it: a process, started, signalled, blocked, changed under its feet."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.hosts import TOKEN, hosting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
READY_SECONDS_MAX = 30.0
"""Generous: the goal of three seconds is for a machine with nothing else to do."""


def post(
    client: httpx2.Client, agent: str, data: Any, *, wait: float = 0, key: str = "", id: str = ""
) -> httpx2.Response:
    event = {"data": data} | ({"id": id} if id else {})
    return client.post(f"/api/v1/agents/{agent}/events", params={"wait": wait, "key": key}, json=event)


def in_background(call: Callable[[], httpx2.Response]) -> Callable[[], httpx2.Response]:
    """Begins a call, and answers how to get its answer."""
    found: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()

    def answer() -> httpx2.Response:
        thread.join(60)
        return found[0]

    return answer


def eventually(client: httpx2.Client, path: str, holds: Callable[[Any], bool], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        answer = client.get(path)
        if answer.is_success and holds(answer.json()):
            return answer.json()
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


# --- starting -----------------------------------------------------------------------------------------------------


def test_the_first_start_makes_a_token_and_says_it_once(tmp_path: Path) -> None:
    with hosting(tmp_path, token=None) as host:
        began = time.monotonic()
        url = host.hears(r"listening on (http://127\.0\.0\.1:\d+)$")[1]
        assert time.monotonic() - began < READY_SECONDS_MAX
        host.hears("agents: counter, .*slow")
        token = host.hears(r"token: (\S{32,}) ")[1]
        assert (tmp_path / "token").read_text().strip() == token
        assert httpx2.get(f"{url}/api/v1/agents", headers={"Authorization": f"Bearer {token}"}).status_code == 200
        assert httpx2.get(f"{url}/api/v1/agents").status_code == 401
        assert host.end(signal.SIGINT) == 0
    with hosting(tmp_path, token=None) as host:
        assert token not in host.hears("token: .*")[0]
        assert host.end(signal.SIGTERM) == 0
        assert token not in "".join(host.errors)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"host": "0.0.0.0", "token": None}, "AOS_TOKEN"),
        ({"host": "192.0.2.1", "port": 80}, "cannot listen on 192.0.2.1, port 80"),
    ],
)
def test_what_it_refuses_to_start_with(tmp_path: Path, settings: dict[str, Any], what: str) -> None:
    with hosting(tmp_path, **settings) as host:
        assert host.process.wait(30) == 1
    assert len(host.errors) == 1
    assert host.errors[0].startswith("refused: ")
    assert what in host.errors[0]


# --- ending -------------------------------------------------------------------------------------------------------


def test_a_signal_lets_turns_end_and_takes_nothing_new(tmp_path: Path) -> None:
    with hosting(tmp_path) as host, host.client() as client:
        answer = in_background(lambda: post(client, "slow", 2.0, wait=30, id="slow"))
        eventually(client, "/api/v1/agents/slow", lambda agent: agent["state"] in ("created", "running"))
        time.sleep(0.3)
        host.process.send_signal(signal.SIGTERM)
        host.hears("draining")
        refused = post(client, "counter", 1)
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert refused.headers["retry-after"]
        assert client.get("/health/live").status_code == 200
        assert (answer().status_code, answer().json()["result"]) == (200, 1)
        assert host.process.wait(30) == 0
    with hosting(tmp_path) as host, host.client() as client:
        assert client.get("/api/v1/agents/slow/state").json() == {"n": 1}


def test_a_turn_that_takes_too_long_is_broken_off_and_handled_at_the_next_start(tmp_path: Path) -> None:
    with hosting(tmp_path, drain_timeout_seconds=0.3) as host, host.client() as client:
        kept = post(client, "slow", 3.0, id="kept")
        waiting = in_background(lambda: post(client, "slow", 3.0, wait=50, key="w", id="waited"))
        time.sleep(0.5)
        assert host.end(signal.SIGTERM) == 0
        assert (kept.status_code, waiting().status_code) == (202, 202)
    with hosting(tmp_path) as host, host.client() as client:
        for accepted in (kept, waiting()):
            outcome = eventually(client, accepted.headers["location"], lambda found: found["status"] == "done")
            assert (outcome["result"], outcome["attempts"]) == (1, 1)


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with hosting(tmp_path, drain_timeout_seconds=60) as host, host.client() as client:
        accepted = post(client, "slow", 50.0, id="one")
        time.sleep(0.5)
        host.process.send_signal(signal.SIGTERM)
        host.hears("draining")
        assert host.end(signal.SIGTERM, 5) == 128 + signal.SIGTERM
    with hosting(tmp_path) as host, host.client() as client:
        assert client.get(accepted.headers["location"]).json()["status"] == "pending"


# --- handlers that block the loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["compute", "system call", "await"])
def test_a_handler_that_hangs_is_stopped_at_its_limit_and_hurts_nobody(tmp_path: Path, how: str) -> None:
    with hosting(tmp_path, attempts_max=1) as host, host.client() as client:
        began = time.monotonic()
        hanging = in_background(lambda: post(client, "hog", how, wait=50))
        other = post(client, "counter", 1, wait=50)
        outcome = hanging().json()
        assert (outcome["status"], other.json()["result"]) == ("quarantined", 1)
        assert outcome["reason"].startswith("turn-timed-out: ")
        assert 1.0 <= time.monotonic() - began < 10
        assert post(client, "hog", "rest", wait=50).json()["result"] == "rested"
        assert host.end(signal.SIGTERM) == 0


def test_one_that_cannot_be_stopped_ends_the_host_and_is_found_out(tmp_path: Path) -> None:
    accepted = None
    for _ in range(2):
        with hosting(tmp_path, crash_limit=2) as host, host.client() as client:
            accepted = accepted or post(client, "hog", "C", id="deep")
            assert host.process.wait(30) == 70
        assert any("pbkdf2_hmac" in line or "on_event" in line for line in host.errors), host.errors
    with hosting(tmp_path, crash_limit=2) as host, host.client() as client:
        assert accepted is not None
        outcome = eventually(client, accepted.headers["location"], lambda found: found["status"] != "pending")
        assert (outcome["status"], outcome["reason"]) == ("quarantined", "2 hosts died while they handled it")
        assert post(client, "counter", 1, wait=30).json()["result"] == 1


# --- reloading ----------------------------------------------------------------------------------------------------

VERSION = """
from AgentOperatingSystem import BaseAgent

class Echo(BaseAgent):
    async def on_event(self, event, context):
        self.state["n"] = self.state.get("n", 0) + 1
        return {answer!r}, self.state["n"]
"""


def test_a_change_of_the_app_starts_it_anew_and_keeps_the_state(tmp_path: Path) -> None:
    app, data = tmp_path / "changing.py", tmp_path / "data"
    data.mkdir()
    app.write_text(VERSION.format(answer="old"))
    with hosting(data, "--reload", app=app) as host:
        with host.client() as client:
            assert post(client, "echo", 0, wait=30).json()["result"] == ["old", 1]
        app.write_text(VERSION.format(answer="new"))
        host.hears(r"changing\.py changed")
        with host.client() as client:
            assert post(client, "echo", 0, wait=30).json()["result"] == ["new", 2]
        app.write_text("this is no Python\n")
        host.hears(r"changing\.py:1: invalid syntax")
        app.write_text(VERSION.format(answer="mended"))
        with host.client() as client:
            assert post(client, "echo", 0, wait=30).json()["result"] == ["mended", 3]
        pid = host.process.pid
        assert host.end(signal.SIGINT) == 0
        assert host.process.pid == pid


def test_without_an_app_that_loads_it_does_not_start(tmp_path: Path) -> None:
    with hosting(tmp_path, app=tmp_path / "missing.py") as host:
        assert host.process.wait(30) == 1
    assert "there is no file" in host.errors[0]


def test_nothing_of_the_token_is_in_the_file_or_the_log(tmp_path: Path) -> None:
    with hosting(tmp_path, log_level="DEBUG") as host, host.client() as client:
        post(client, "counter", 1, wait=30)
        assert host.end(signal.SIGTERM) == 0
    with sqlite3.connect(tmp_path / "aos.db") as connection:
        assert TOKEN not in "".join(connection.iterdump())
    connection.close()
    assert TOKEN not in "".join(host.errors)
