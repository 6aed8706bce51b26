"""`aos tail` and its connection: what was seen is not asked for again, what was not is not lost."""

import json

import pytest

from AgentOperatingSystem.cli.commands import events
from tests.unit.cli.conftest import Aos, Loopback


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "RECONNECT_SECONDS", 0.0)


def publication(number: int) -> bytes:
    document = {"time": "2026-01-01T00:00:00.5Z", "topic": "t", "source": "/s", "data": number}
    return b"id: %d\nevent: t\ndata: %s\n\n" % (number, json.dumps(document).encode())


def outcome(status: str, **more: object) -> bytes:
    times = {"finished_at": "2026-01-01T00:00:00Z"}
    document = {"agent": "desk", "id": "e", "status": status, "result": None, "reason": "", "event": {"type": "x"}}
    content = json.dumps({**document, **times, **more}).encode()
    return b"id: 1\nevent: %s\ndata: %s\n\n" % (status.encode(), content)


def test_it_connects_again_behind_the_last_one_seen(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(publication(1), publication(2))
    loopback.breaks_off()
    loopback.says(503, b'{"code": "draining", "detail": "the host is shutting down"}')
    loopback.streams(publication(3))
    ran = aos("tail", "--url", loopback.url, "--topic", "t.#", "--count", "3", "--json")
    assert ran.code == 0
    assert [json.loads(line)["cursor"] for line in ran.out.splitlines()] == ["1", "2", "3"]
    assert [path for _, path, _, _ in loopback.requests] == [
        "/api/v1/publications?topic=t.%23",
        *["/api/v1/publications?topic=t.%23&after=2"] * 3,
    ]
    assert ran.err.count("\n") == 3


def test_what_came_before_the_first_one_was_seen_is_not_left_out(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(b"id: 7\n\n")
    loopback.streams(publication(8))
    ran = aos("tail", "--url", loopback.url, "--count", "1")
    assert (ran.code, ran.out.count("\n")) == (0, 1)
    assert [path for _, path, _, _ in loopback.requests] == ["/api/v1/publications", "/api/v1/publications?after=7"]


def test_the_first_connection_may_fail(loopback: Loopback, aos: Aos) -> None:
    loopback.says(401, b'{"code": "unauthorized", "detail": "the token is wrong"}')
    assert aos("tail", "--url", loopback.url) == (5, "", "aos: the token is wrong\n")


def test_a_refusal_ends_it_even_later(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(publication(1))
    loopback.says(401, b'{"code": "unauthorized", "detail": "the token is wrong"}')
    ran = aos("tail", "--url", loopback.url)
    assert ran.code == 5
    assert ran.err.splitlines()[-1] == "aos: the token is wrong"


def test_people_see_publications(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(publication(1))
    assert aos("tail", "--url", loopback.url, "--count", "1").out == "2026-01-01T00:00:00Z  t  /s  1\n"


def test_people_see_outcomes(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(outcome("done", result={"n": 1}), outcome("failed", reason="no\nluck"))
    assert aos("tail", "desk/a b", "--after", "0", "--url", loopback.url, "--count", "2").out == (
        '2026-01-01T00:00:00Z  done         x  e  {"n": 1}\n2026-01-01T00:00:00Z  failed       x  e  no\\u000aluck\n'
    )
    assert loopback.requests[0][1] == "/api/v1/agents/desk/outcomes?key=a+b&after=0"


def test_the_same_trouble_is_told_once(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(publication(1))
    for _ in range(3):
        loopback.says(503, b'{"code": "draining", "detail": "the host is shutting down"}')
    loopback.streams(publication(2))
    assert aos("tail", "--url", loopback.url, "--count", "2").err.splitlines() == [
        "aos: the system ended the stream; connecting again",
        "aos: the host is shutting down; trying again",
    ]


def test_ctrl_c_ends_it_well(loopback: Loopback, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    loopback.streams(publication(1))
    ran = aos("tail", "--url", loopback.url)
    assert (ran.code, ran.out.count("\n")) == (0, 1)
