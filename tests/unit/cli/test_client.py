import socket
from collections.abc import Iterator

import pytest

from AgentOperatingSystem.cli.client import Client
from AgentOperatingSystem.cli.exits import NobodyListens, NotReachable, Problem
from AgentOperatingSystem.errors import AOSError, InvalidInput, UnknownAgent
from tests.unit.cli.conftest import Loopback


@pytest.fixture
def client(loopback: Loopback) -> Iterator[Client]:
    made = Client(loopback.url, "the-token")
    yield made
    made.close()


def test_a_request_carries_token_query_and_body(loopback: Loopback, client: Client) -> None:
    loopback.says(202, b'{"a": 1}')
    answer = client.request("POST", "/x", {"key": "a/ä", "none": None, "limit": 5}, {"ä": 1})
    method, path, headers, body = loopback.requests[0]
    assert answer == (202, {"a": 1})
    assert (method, path) == ("POST", "/x?key=a%2F%C3%A4&limit=5")
    assert headers["Authorization"] == "Bearer the-token"
    assert headers["Content-Type"] == "application/json"
    assert body == '{"ä": 1}'.encode()


def test_a_body_that_is_json_already_travels_as_it_is(loopback: Loopback, client: Client) -> None:
    loopback.says(200, b"null")
    assert client.request("POST", "/", {}, b"[1e400]").document is None
    assert loopback.requests[0][3] == b"[1e400]"


@pytest.mark.parametrize("body", [float("inf"), "\ud800", [float("nan")]])
def test_what_is_no_json_is_not_sent(loopback: Loopback, client: Client, body: object) -> None:
    with pytest.raises(InvalidInput, match="no JSON that can travel"):
        client.request("POST", "/", {}, body)
    assert loopback.requests == []


def test_a_problem_is_the_error_that_the_system_raised(loopback: Loopback, client: Client) -> None:
    loopback.says(404, b'{"code": "unknown-agent", "detail": "no agent x"}', "application/problem+json")
    with pytest.raises(Problem, match="no agent x") as raised:
        client.request("GET", "/", {})
    assert raised.value.kind is UnknownAgent


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (404, b"<html>"), (500, b"[]"), (502, b'{"detail": 1}'), (400, b'"\xff"'), (301, b"{}")],
)
def test_an_answer_of_another_program_is_told_as_such(
    loopback: Loopback, client: Client, status: int, body: bytes
) -> None:
    loopback.says(status, body)
    with pytest.raises(NotReachable, match=r"is another program listening there\? `aos doctor` tells"):
        client.request("GET", "/", {})


def test_nobody_listens(loopback: Loopback) -> None:
    with pytest.raises(NobodyListens, match=r"no system answers at http://127\.0\.0\.1:1 \(Connection refused\)"):
        Client("http://127.0.0.1:1", None).request("GET", "/", {})
    with pytest.raises(NobodyListens, match=r"no system answers at http://name\.invalid"):
        Client("http://name.invalid", None).request("GET", "/", {})


def test_a_connection_that_breaks_off(loopback: Loopback, client: Client) -> None:
    loopback.breaks_off()
    with pytest.raises(NotReachable, match="broke off"):
        client.request("GET", "/", {})


def test_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(NotReachable) as raised:
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", None).request("GET", "/", {}, timeout_seconds=0.05)
    assert "did not answer within 0.05 s" in str(raised.value)
    assert not isinstance(raised.value, NobodyListens)


def test_a_stream_is_read_as_it_comes(loopback: Loopback, client: Client) -> None:
    loopback.streams(
        b": hello\n\n", b'id: 7\nevent: done\ndata: {"a":\ndata:  1}\n\n', b'id: 8\r\ndata: "x"\r\n\r\n', b"data: 1"
    )
    events = list(client.stream("/s", {"after": "6"}))
    assert [tuple(event) for event in events] == [("7", "done", {"a": 1}), ("8", "message", "x")]
    assert loopback.requests[0][1] == "/s?after=6"


@pytest.mark.parametrize(
    ("status", "body", "kind", "expected"),
    [
        (401, b'{"code": "unauthorized", "detail": "wrong"}', "application/problem+json", Problem),
        (200, b"{}", "application/json", NotReachable),
        (404, b"<html>", "text/html", NotReachable),
    ],
)
def test_a_stream_that_is_refused(
    loopback: Loopback, client: Client, status: int, body: bytes, kind: str, expected: type[AOSError]
) -> None:
    loopback.says(status, body, kind)
    with pytest.raises(expected):
        list(client.stream("/s", {}))
