"""`aos chat`: what a person sees, what a program reads, and what is asked again where the connection breaks."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from AgentOperatingSystem.cli.commands import chat
from tests.unit.cli.conftest import Aos, Loopback


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "RECONNECT_SECONDS", 0.0)


def sent(kind: str, number: int = 1, **data: Any) -> bytes:
    return b"id: c.%d\nevent: %s\ndata: %s\n\n" % (number, kind.encode(), json.dumps(data).encode())


def token(text: str, source: str = "clerk") -> bytes:
    return sent("token", source=source, text=text)


ACCEPTED = sent("accepted", 0, id="e")


def result(value: Any) -> bytes:
    return sent("result", 9, status="done", result=value)


def say(aos: Aos, loopback: Loopback, *more: str) -> Any:
    return aos("chat", "clerk/a b", "--url", loopback.url, "--message", "Hi.", *more)


def test_a_person_sees_the_answer_as_it_comes_and_what_was_done_for_it(loopback: Loopback, aos: Aos) -> None:
    call: dict[str, Any] = {"source": "clerk", "call": "c", "tool": "look"}
    loopback.streams(
        *(ACCEPTED, sent("step", source="clerk", step="model", name="openai/x"), token("Let me see.")),
        sent("tool_call", **call, arguments={"where": "there"}),
        sent("tool_result", **call, content="nothing\nthere", is_error=True),
        *(token("Nothing "), token("is\nthere."), result("Nothing is\nthere.")),
    )
    ran = say(aos, loopback, "--conversation", "x")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        'Let me see.\n  -> look({"where": "there"})\n  <- error: nothing\\u000athere\nNothing is\nthere.\n'
    )
    ((method, path, headers, body),) = loopback.requests
    assert (method, path) == ("POST", "/api/v1/agents/clerk/chat?key=a+b")
    assert json.loads(body) == {"message": "Hi.", "conversation": "x"}
    assert headers["Accept"] == "text/event-stream"
    assert len(headers["Idempotency-Key"]) == 32


def test_an_answer_that_was_not_heard_is_shown_from_the_result(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, result({"n": 1}))
    assert say(aos, loopback).out == '{"n": 1}\n'
    loopback.streams(ACCEPTED, token("Half"), sent("restarted", attempt=2), result("Whole."))
    assert say(aos, loopback).out.splitlines() == [
        "Half",
        "  (begun again: what stands above does not count)",
        "Whole.",
    ]


def test_members_of_a_team_are_told_apart(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, token("One.", "a"), token("Two.", "b"), result("Two."))
    assert say(aos, loopback).out.splitlines()[:2] == ["One.", "b: Two."]


def test_what_an_agent_says_cannot_take_over_the_terminal(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, token("\x1b[2J\r\u202e"), result("\x1b[2J\r\u202e"))
    assert say(aos, loopback).out == "\\u001b[2J\\u000d\\u202e\n"


def test_offline_is_labelled_once(loopback: Loopback, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("One.\n\nTwo.\n"))
    for _ in range(2):
        loopback.streams(ACCEPTED, sent("step", source="c", step="model", name="offline"), result("No model."))
    ran = aos("chat", "clerk", "--url", loopback.url)
    assert (ran.code, ran.out) == (0, "No model.\nNo model.\n")
    assert ran.err.count("offline") == 1
    assert [json.loads(body)["message"] for _, _, _, body in loopback.requests] == ["One.", "Two."]
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in loopback.requests}) == 2


def test_programs_read_a_document_for_each_event(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, token("a"), result("a"))
    lines = [json.loads(line) for line in say(aos, loopback, "--json").out.splitlines()]
    assert [each["event"] for each in lines] == ["accepted", "token", "result"]
    assert lines[1] == {"event": "token", "id": "c.1", "data": {"source": "clerk", "text": "a"}}


def test_a_broken_connection_asks_for_the_same_key_behind_what_was_heard(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, token("One "))
    loopback.breaks_off()
    loopback.says(503, b'{"code": "draining", "detail": "the host is shutting down"}')
    loopback.streams(ACCEPTED, sent("error", code="draining", detail="x"))
    loopback.streams(ACCEPTED, token("turn."), result("One turn."))
    ran = say(aos, loopback, "--id", "k")
    assert (ran.code, ran.out) == (0, "One turn.\n")
    assert ran.err.count("\n") == 1
    assert {headers["Idempotency-Key"] for _, _, headers, _ in loopback.requests} == {"k"}
    assert [headers.get("Last-Event-ID") for _, _, headers, _ in loopback.requests] == [None, *["c.1"] * 3, "c.0"]


def test_what_another_host_tells_begins_anew(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, token("Half"))
    loopback.streams(b'id: d.0\nevent: accepted\ndata: {"id": "e"}\n\n', token("Whole."), result("Whole."))
    assert say(aos, loopback).out == "Half\n  (begun again: what stands above does not count)\nWhole.\n"


def test_it_gives_up_where_nothing_comes_back(loopback: Loopback, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "RECONNECTS_MAX", 2)
    loopback.streams(ACCEPTED)
    for _ in range(4):
        loopback.breaks_off()
    assert say(aos, loopback).code == 3


def test_a_turn_that_ends_badly_is_an_exit_code(loopback: Loopback, aos: Aos) -> None:
    loopback.streams(ACCEPTED, sent("error", code="event-failed", detail="it is quarantined"))
    assert say(aos, loopback) == (1, "", "aos: it is quarantined\n")
    loopback.says(404, b'{"code": "unknown-agent", "detail": "no agent"}')
    assert say(aos, loopback) == (4, "", "aos: no agent\n")
    assert aos("chat", "clerk", "--id", "x").code == 2


def test_without_a_server_it_says_how_to_start_one(aos: Aos) -> None:
    ran = aos("chat", "clerk", "--message", "Hi.")
    assert ran.code == 3
    assert "aos up" in ran.err


def test_at_the_prompt_ctrl_c_stops_the_watching_and_then_the_command(
    loopback: Loopback, aos: Aos, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    typed: Iterator[str] = iter(["One.", "Two.", ""])

    def ask(prompt: str) -> str:
        line = next(typed, None)
        if line is None:
            raise KeyboardInterrupt
        return line

    def interrupt(data: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(chat.Shown, "_restarted", lambda self, data: interrupt(data))
    loopback.streams(ACCEPTED, token("Half"), sent("restarted", attempt=2))
    loopback.streams(ACCEPTED, token("Whole."), result("Whole."))
    ran = aos("chat", "clerk", "--url", loopback.url)
    assert (ran.code, ran.out) == (0, "Half\nWhole.\n\n")
    assert "no longer watched" in ran.err
