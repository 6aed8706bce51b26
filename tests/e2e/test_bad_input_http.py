"""Bad input over a real connection: a clear problem each time, never a 5xx; and whatever was accepted is done."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hosts import TOKEN, Host, hosting

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
COUNTER = "/api/v1/agents/counter/events"
PICKY = "/api/v1/agents/picky"
MIB = 1 << 20
GROWTH_KIB_MAX = 32 << 10
JSON = {"Content-Type": "application/json"}
HEAD = (
    f"POST {COUNTER} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
)
Accepted = list[str]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(tmp_path_factory.mktemp("data"), event_bytes_max=64 << 10, event_depth_max=16) as made:
        yield made


@pytest.fixture(scope="module")
def client(host: Host) -> Iterator[httpx2.Client]:
    with host.client() as made:
        yield made


@pytest.fixture(scope="module")
def accepted() -> Accepted:
    """Where the outcomes of all accepted events are to be found."""
    return []


@pytest.fixture(autouse=True)
def good_events_work_all_the_same(client: httpx2.Client, accepted: Accepted) -> Iterator[None]:
    """Around each test: one event without waiting, one with."""
    accepted.append(client.post(COUNTER, json={}).raise_for_status().headers["location"])
    yield
    assert client.post(COUNTER, params={"wait": 30}, json={}).json()["status"] == "done"


def check(answer: httpx2.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["code"]
    assert problem["detail"]
    assert "Traceback" not in answer.text
    return problem


def raw(client: httpx2.Client, request: bytes) -> bytes:
    """What a connection answers to bytes that no client would send; empty where it only closes."""
    with closing(socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10)) as line:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        try:
            return line.recv(65536)
        except ConnectionResetError:
            return b""


def peak_kib(host: Host) -> int:
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


# --- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"}",
        b"null",
        b"[]",
        b'"text"',
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"{'data': 1}",
        b'{"data": undefined}',
        b'{"data": NaN}',
        b'{"data": -Infinity}',
        b'{"data": 1e400}',
        b'{"data": 01}',
        b'{"data": "\xff\xfe"}',
        b'{"data": "\xed\xa0\x80"}',
        b'{"data": "\\udc00"}',
        b'{"data": "\x00"}',
        b'{"data": ' + b"1" * 10_000 + b"}",
        b'{"data": ' + b"[" * 17 + b"]" * 17 + b"}",
        b'{"data": ' + b'{"a":' * 10_000,
        b"[" * 60_000,
        b'{"type": null}',
        b'{"id": 1}',
        b'{"priority": 1.5}',
        b'{"priority": -1}',
        b'{"unknown": 1}',
        b'{"agent": "aos.handler/os:abort"}',
        b'{"reply_to": "counter"}',
        b'{"id": "' + b"i" * 1025 + b'"}',
        b"\x1f\x8b\x08\x00",
    ],
)
def test_bodies_that_are_no_events(client: httpx2.Client, body: bytes) -> None:
    for path in (COUNTER, "/api/v1/events"):
        check(client.post(path, content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", ";", "\xe4"]
)
def test_content_types_that_are_not_read(client: httpx2.Client, content_type: str) -> None:
    header = [(b"Content-Type", content_type.encode("latin-1"))]
    check(client.post(COUNTER, content=b"{}", headers=header), 415, 422)


def test_a_hundred_mebibytes_are_refused_before_they_are_read(client: httpx2.Client, host: Host) -> None:
    before = peak_kib(host)
    with closing(socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=10)) as line:
        line.sendall(f"{HEAD}Content-Length: {100 * MIB}\r\n\r\n".encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 413")  # nothing of the body was sent yet
    assert peak_kib(host) - before < GROWTH_KIB_MAX


@pytest.mark.parametrize(
    "path", [COUNTER, "/api/v1/events", "/webhooks/github", f"{PICKY}/pause", f"{PICKY}/schedules"]
)
def test_a_hundred_mebibytes_that_do_not_say_so(client: httpx2.Client, host: Host, path: str) -> None:
    before = peak_kib(host)

    def body() -> Iterator[bytes]:
        yield b'{"data": "'
        for _ in range(100):
            yield b"x" * MIB
        yield b'"}'

    check(client.post(path, content=body(), headers=JSON), 413)
    assert peak_kib(host) - before < GROWTH_KIB_MAX


def test_a_body_that_breaks_off_is_no_event(client: httpx2.Client) -> None:
    before = client.get("/api/v1/agents/counter").json()["handled"]
    raw(client, f'{HEAD}Content-Length: 100\r\n\r\n{{"id": "broken"'.encode())
    raw(client, f'{HEAD}Transfer-Encoding: chunked\r\n\r\nf\r\n{{"id": "broken"'.encode())
    assert client.get(f"{COUNTER}/broken").status_code == 404
    assert client.get("/api/v1/agents/counter").json()["handled"] <= before + 1


# --- addresses, parameters, methods ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/agents/nobody/events",
        "/api/v1/agents/a%20b/events",
        "/api/v1/agents/..%2f..%2fetc/events",
        "/api/v1/agents/%00/events",
        f"/api/v1/agents/{'n' * 65}/events",
        f"{COUNTER}?key={'k' * 513}",
        f"{COUNTER}?key=%00",
        f"{COUNTER}?key=%c3%28",
        f"{COUNTER}?wait=soon",
        f"{COUNTER}?wait=-1",
        f"{COUNTER}?wait=1e999",
        f"{COUNTER}?key=a&key=b",
        "/api/v1/agents/aos.handler/events?key=os:abort",
        "/api/v1/agents//events",
        "/api/v1/nothing",
        "//api/v1/agents/counter/events",
    ],
)
def test_addresses_that_are_none(client: httpx2.Client, path: str) -> None:
    check(client.post(path, json={}), 403, 404, 422)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
def test_methods_that_a_route_does_not_know(client: httpx2.Client, method: str) -> None:
    answer = client.request(method, COUNTER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("value", ["0", "1001", "-1", "ten", "1e3", "99999999999999999999"])
def test_limits_that_are_none(client: httpx2.Client, value: str) -> None:
    for path in ("/api/v1/agents", f"{PICKY}/history", "/api/v1/quarantine", "/api/v1/schedules"):
        check(client.get(path, params={"limit": value}), 422)


@pytest.mark.parametrize("after", ["x", ":", "-1:a", "1", "9" * 30 + ":a", "😀", "'; DROP TABLE events; --"])
def test_cursors_that_no_list_gave(client: httpx2.Client, after: str) -> None:
    check(client.get("/api/v1/agents/counter/history", params={"after": after}), 422)
    for path in ("/api/v1/agents", "/api/v1/quarantine", "/api/v1/agents/counter/memory", "/api/v1/schedules"):
        assert client.get(path, params={"after": after}).status_code == 200


@pytest.mark.parametrize(
    "cron", ["", "x", "* * *", "60 * * * *", "* * 32 * *", "* * 31 2 *", "@reboot", "* * * * * * * *", "\x00"]
)
def test_schedules_that_never_come(client: httpx2.Client, cron: str) -> None:
    check(client.post(f"{PICKY}/schedules", json={"name": "n", "cron": cron}), 422)
    assert client.get("/api/v1/schedules").json()["items"] == []


# --- who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", f"Bearer {TOKEN}{TOKEN}", f"Basic {TOKEN}"])
def test_wrong_tokens(client: httpx2.Client, authorization: str) -> None:
    check(client.post(COUNTER, json={"id": "secret"}, headers={"Authorization": authorization}), 401)
    assert client.get(f"{COUNTER}/secret").status_code == 404


def test_a_hundred_mebibytes_without_a_token(client: httpx2.Client, host: Host) -> None:
    before = peak_kib(host)
    body = (b"x" * MIB for _ in range(100))
    check(client.post(COUNTER, content=body, headers={"Authorization": "Bearer x"}), 401)
    assert peak_kib(host) - before < GROWTH_KIB_MAX


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 1000,
    ],
)
def test_what_is_no_http(client: httpx2.Client, request_bytes: bytes) -> None:
    answer = raw(client, request_bytes)
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer


# --- anything at all -------------------------------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["type", "data", "subject", "source", "id", "conversation", "correlation", "priority", "reason", "name"]
)
BODIES = st.binary(max_size=200) | (st.dictionaries(FIELDS, ANY_JSON, max_size=5) | ANY_JSON).map(
    lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
)
POSTS = (COUNTER, "/api/v1/events", f"{PICKY}/pause", f"{PICKY}/schedules", "/api/v1/import", "/webhooks/github")
SMALL = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@given(path=st.sampled_from(POSTS), body=BODIES, cloud=st.booleans())
@SMALL
def test_no_body_is_too_much_for_it(
    client: httpx2.Client, accepted: Accepted, path: str, body: bytes, cloud: bool
) -> None:
    headers = {"Content-Type": f"application/{'cloudevents+' if cloud else ''}json"}
    answer = client.post(path, content=body, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code == 202:
        accepted.append(answer.headers["location"])
    elif answer.status_code >= 400:
        check(answer, answer.status_code)


@given(
    path=st.sampled_from(
        (
            "/api/v1/agents",
            "/api/v1/agents/counter/{}",
            "/api/v1/agents/{}/state",
            "/api/v1/agents/counter/events/{}",
            "/api/v1/agents/counter/memory/{}",
            "/api/v1/quarantine/{}/{}",
            "/{}",
        )
    ),
    parts=st.lists(st.text(max_size=12), min_size=2, max_size=2),
    query=st.dictionaries(
        st.sampled_from(["key", "after", "limit", "prefix", "source", "agent"]), st.text(max_size=12)
    ),
)
@SMALL
def test_no_question_is_too_much_for_it(
    client: httpx2.Client, path: str, parts: list[str], query: dict[str, str]
) -> None:
    readable = {name: text.encode("utf-8", "replace").decode() for name, text in query.items()}
    spelt = [httpx2.QueryParams({"x": part.encode("utf-8", "replace").decode()}) for part in parts]
    url = path.format(*(str(each)[2:].replace("+", "%20") for each in spelt))
    with client.stream("GET", url, params=readable) as answer:
        assert answer.status_code < 500, answer.read()


# --- and in the end --------------------------------------------------------------------------------------------------


def test_nothing_that_was_accepted_is_lost(client: httpx2.Client, accepted: Accepted) -> None:
    assert len(accepted) > 100
    client.post(f"{PICKY}/resume")
    for location in accepted:
        outcome = client.get(location).json()
        assert outcome["status"] in ("done", "quarantined"), outcome
        assert outcome["status"] == "done" or outcome["agent"] == "aos.unrouted", outcome
