"""Sending events, asking for their outcomes, and what a sender is told where an event cannot be taken."""

import asyncio
from functools import partial

import httpx2
import pytest
from fastapi import FastAPI

from AgentOperatingSystem import AgentOperatingSystem
from tests import doors_app
from tests.waiting import until

COUNTER = "/api/v1/agents/counter/events"
GATED = "/api/v1/agents/gated/events"


async def ends(client: httpx2.AsyncClient, location: str) -> dict[str, object]:
    ask = partial(client.get, location)
    answer = await until(ask, lambda answer: answer.json()["status"] not in ("pending", "parked"))
    outcome: dict[str, object] = answer.json()
    return outcome


def code(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    return answer.status_code, answer.json()["code"]


async def test_a_sender_who_waits_gets_the_outcome(client: httpx2.AsyncClient) -> None:
    answer = await client.post(COUNTER, params={"key": "a/b", "wait": 10}, json={"type": "t", "data": [1], "id": "one"})
    assert answer.status_code == 200
    outcome = answer.json()
    assert outcome["agent"] == "counter/a/b"
    assert (outcome["status"], outcome["result"], outcome["id"], outcome["source"]) == ("done", 1, "one", "/http")
    assert outcome["event"]["data"] == [1]
    assert outcome["finished_at"].endswith("Z")


async def test_a_sender_who_does_not_wait_is_told_where_to_ask(client: httpx2.AsyncClient) -> None:
    answer = await client.post(COUNTER, params={"key": "ä b/%"}, json={"id": "x/y?z", "source": "urn:a&b"})
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["outcome"]
    outcome = await ends(client, answer.headers["location"])
    assert (outcome["agent"], outcome["id"], outcome["source"]) == ("counter/ä b/%", "x/y?z", "urn:a&b")
    assert outcome["result"] == 1


async def test_the_same_again_is_answered_as_the_first_time(client: httpx2.AsyncClient) -> None:
    first = await client.post(COUNTER, params={"wait": 10}, json={"id": "one", "data": 1})
    again = await client.post(COUNTER, params={"wait": 10}, json={"id": "one", "data": 1})
    assert again.json() == first.json()
    accepted = [await client.post(COUNTER, json={"id": "two"}) for _ in range(2)]
    assert accepted[0].json() == accepted[1].json()
    assert (await ends(client, accepted[0].headers["location"]))["result"] == 2
    assert (await client.get("/api/v1/agents/counter/state")).json() == {"n": 2}


async def test_one_id_for_two_agents_is_two_events(client: httpx2.AsyncClient) -> None:
    for key in ("a", "b"):
        answer = await client.post(COUNTER, params={"key": key, "wait": 10}, json={"id": "one", "data": key})
        assert answer.json()["result"] == 1


@pytest.mark.parametrize("wait", [{}, {"wait": 10}])
async def test_another_body_under_the_same_id_is_refused(client: httpx2.AsyncClient, wait: dict[str, int]) -> None:
    await client.post(COUNTER, params={"wait": 10}, json={"id": "one", "data": 1})
    answer = await client.post(COUNTER, params=wait, json={"id": "one", "data": 2})
    assert code(answer) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("wait", [{}, {"wait": 10}])
async def test_another_body_while_the_first_is_in_flight_is_a_conflict(
    client: httpx2.AsyncClient, wait: dict[str, int]
) -> None:
    first = await client.post(GATED, json={"id": "one", "data": 1})
    assert (await client.get(first.headers["location"])).json()["status"] == "pending"
    answer = await client.post(GATED, params=wait, json={"id": "one", "data": 2})
    assert code(answer) == (409, "event-in-flight")
    assert answer.headers["retry-after"] == "1"
    doors_app.Gated.gate.set()
    assert (await ends(client, first.headers["location"]))["result"] == "through"


async def test_a_wait_that_is_too_short_is_an_acceptance(client: httpx2.AsyncClient) -> None:
    answer = await client.post(GATED, params={"wait": 0.05}, json={"id": "one"})
    assert answer.status_code == 202
    doors_app.Gated.gate.set()
    assert (await ends(client, answer.headers["location"]))["status"] == "done"


async def test_the_idempotency_key_is_the_id(client: httpx2.AsyncClient) -> None:
    answer = await client.post(COUNTER, json={}, headers={"Idempotency-Key": "mine"})
    assert answer.json()["id"] == "mine"
    answer = await client.post(COUNTER, json={"id": "other"}, headers={"Idempotency-Key": "mine"})
    assert code(answer) == (422, "invalid-input")


async def test_an_event_that_nobody_knows(client: httpx2.AsyncClient) -> None:
    await client.post(COUNTER, params={"wait": 10}, json={"id": "one"})
    assert code(await client.get(f"{COUNTER}/two")) == (404, "unknown-event")
    assert code(await client.get(f"{COUNTER}/one", params={"source": "/other"})) == (404, "unknown-event")


async def test_an_agent_that_nobody_knows(client: httpx2.AsyncClient) -> None:
    assert code(await client.post("/api/v1/agents/nobody/events", json={})) == (404, "unknown-agent")


@pytest.mark.parametrize("wait", [{}, {"wait": 10}])
async def test_a_terminated_agent_is_gone(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient, wait: dict[str, int]
) -> None:
    await client.post(COUNTER, params={"wait": 10}, json={})
    await client.post("/api/v1/agents/counter/terminate")
    aos.kernel.warm.forget(aos.address("counter"))
    assert code(await client.post(COUNTER, params=wait, json={})) == (410, "agent-terminated")


@pytest.mark.parametrize("settings", [{"max_pending_events": 1}])
async def test_too_much_waiting_is_answered_with_when_to_come_again(client: httpx2.AsyncClient) -> None:
    assert (await client.post(GATED, json={})).status_code == 202
    for wait in ({}, {"wait": 10}):
        answer = await client.post(COUNTER, params=wait, json={})
        assert code(answer) == (429, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["retry_after_seconds"] > 0


async def test_a_host_that_drains_takes_nothing_new(client: httpx2.AsyncClient, app: FastAPI) -> None:
    app.state.door.drain()
    answer = await client.post(COUNTER, json={})
    assert code(answer) == (503, "draining")
    assert int(answer.headers["retry-after"]) >= 1
    assert (await client.get("/health/live")).status_code == 200


async def test_who_waits_while_the_host_drains_is_told_that_the_event_is_kept(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient
) -> None:
    await client.post("/api/v1/agents/counter/pause")
    waiting = asyncio.create_task(client.post(COUNTER, params={"wait": 60}, json={"id": "one"}))
    await asyncio.sleep(0.1)
    await aos.drain()
    answer = await waiting
    assert answer.status_code == 202
    assert (await client.get(answer.headers["location"])).json()["status"] == "parked"


@pytest.mark.parametrize("name", ["aos.handler", "aos.unrouted", "aos.subscriptions"])
async def test_the_systems_own_agents_take_nothing_from_outside(client: httpx2.AsyncClient, name: str) -> None:
    answer = await client.post(f"/api/v1/agents/{name}/events", params={"key": "os:getcwd"}, json={})
    assert code(answer) == (403, "forbidden")


async def test_without_a_recipient_the_routes_choose(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/events", json={"type": "github.push", "subject": "o/r"})
    assert answer.json()["agent"] == "counter/o/r"
    answer = await client.post("/api/v1/events", params={"wait": 10}, json={"type": "github.push", "subject": "o/r"})
    assert (answer.status_code, answer.json()["result"]) == (200, 2)


async def test_what_no_route_takes_is_kept_and_shown(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/events", params={"wait": 10}, json={"type": "strange"})
    assert answer.json()["status"] == "quarantined"
    assert "no declared route matches type 'strange'" in answer.json()["reason"]


@pytest.mark.parametrize("wait", ["x", "-1", "nan", "inf", "301", "1e9"])
async def test_how_long_to_wait_is_a_number(client: httpx2.AsyncClient, wait: str) -> None:
    assert code(await client.post(COUNTER, params={"wait": wait}, json={})) == (422, "invalid-input")


async def test_a_parameter_given_twice_is_refused(client: httpx2.AsyncClient) -> None:
    assert code(await client.post(f"{COUNTER}?key=a&key=b", json={})) == (422, "invalid-input")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "Expected `object`"),
        (b'{"type": 5}', "$.type"),
        (b'{"priority": "high"}', "$.priority"),
        (b'{"tpye": "x"}', "unknown field `tpye`"),
        (b'{"data": "\xff"}', "not UTF-8"),
        (b'{"data": "\\ud800"}', "surrogate"),
        (b'{"data": NaN}', "not JSON"),
        (b'{"data": 1e999}', "out of range"),
        (b'{"data": ' + b"9" * 5000 + b"}", "out of range"),
        (b'{"data": ' + b"[" * 9 + b"]" * 9 + b"}", "deep"),
        (b'{"data": ' + b"[" * 2000 + b"]" * 2000 + b"}", "deep"),
        (b'{"id": ""}', None),
        (b'{"type": ""}', "type"),
        (b'{"priority": 10}', "priority"),
        (b'{"source": "' + b"s" * 1025 + b'"}', "source"),
    ],
)
async def test_what_is_wrong_with_a_body_is_said(client: httpx2.AsyncClient, body: bytes, what: str | None) -> None:
    answer = await client.post(COUNTER, content=body, headers={"Content-Type": "application/json"})
    if what is None:
        assert answer.status_code == 202
    else:
        assert answer.status_code == 422
        assert what in answer.json()["detail"]


async def test_numbers_beyond_64_bits_come_through(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/agents/picky/events", params={"wait": 10}, json={"data": 10**40})
    assert answer.json()["result"] == 10**40


async def test_of_two_equal_keys_the_last_one_counts(client: httpx2.AsyncClient) -> None:
    body = b'{"data": {"a": 1, "a": 2}, "data": {"a": 3, "a": 4}}'
    answer = await client.post("/api/v1/agents/picky/events", params={"wait": 10}, content=body)
    assert answer.json()["result"] == {"a": 4}


async def test_nesting_up_to_the_limit_is_taken(client: httpx2.AsyncClient) -> None:
    body = b'{"data": ' + b"[" * 8 + b"]" * 8 + b"}"
    assert (await client.post(COUNTER, content=body)).status_code == 202


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/json"])
async def test_other_content_types_are_not_read(client: httpx2.AsyncClient, content_type: str) -> None:
    answer = await client.post(COUNTER, content=b"{}", headers={"Content-Type": content_type})
    assert code(answer) == (415, "unsupported-media-type")


async def test_a_body_over_the_limit_is_too_large(client: httpx2.AsyncClient) -> None:
    answer = await client.post(COUNTER, json={"data": "x" * 5000})
    assert code(answer) == (413, "too-large")
    answer = await client.post(COUNTER, json={"data": "x" * 100_000})
    assert code(answer) == (413, "too-large")
