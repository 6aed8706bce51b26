"""Streams of server-sent events, over a real server: what comes, from where, until when."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.api import stream
from tests import doors_app
from tests.servers import events_of, first, serving
from tests.unit.api.conftest import HEADERS

COUNTER = "/api/v1/agents/counter"
OUTCOMES = f"{COUNTER}/outcomes"


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS) as made:
        yield made


async def bump(client: httpx2.AsyncClient, *ids: str) -> None:
    for id in ids:
        assert (await client.post(f"{COUNTER}/events", params={"wait": 10}, json={"id": id})).status_code == 200


async def test_outcomes_come_as_they_happen(client: httpx2.AsyncClient) -> None:
    await bump(client, "before")
    async with client.stream("GET", OUTCOMES) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        reading = asyncio.create_task(first(answer, 2))
        await asyncio.sleep(0.1)
        await bump(client, "one", "two")
        found = await reading
    assert [(sent.event, json.loads(sent.data)["id"]) for sent in found] == [("done", "one"), ("done", "two")]


async def test_an_agent_that_was_never_woken_can_be_waited_for(client: httpx2.AsyncClient) -> None:
    async with client.stream("GET", OUTCOMES) as answer:
        await bump(client, "one")
        assert [json.loads(sent.data)["result"] for sent in await first(answer, 1)] == [1]


async def test_it_goes_on_behind_the_last_id(client: httpx2.AsyncClient) -> None:
    await bump(client, *map(str, range(5)))
    async with client.stream("GET", OUTCOMES, params={"after": "0"}) as answer:
        seen = await first(answer, 2)
    async with client.stream("GET", OUTCOMES, headers={"Last-Event-ID": seen[-1].id}) as answer:
        rest = await first(answer, 3)
    assert [json.loads(sent.data)["id"] for sent in seen + rest] == list("01234")
    async with client.stream("GET", OUTCOMES, params={"after": rest[0].id}) as answer:
        assert await first(answer, 2) == rest[1:]


async def test_what_is_quarantined_and_what_control_did_is_told_too(client: httpx2.AsyncClient) -> None:
    async with client.stream("GET", "/api/v1/agents/picky/outcomes") as answer:
        reading = asyncio.create_task(first(answer, 2))
        await client.post("/api/v1/agents/picky/events", params={"wait": 10}, json={"data": "bad"})
        await client.post("/api/v1/agents/picky/pause")
        found = await reading
    assert [(sent.event, json.loads(sent.data)["event"]["type"]) for sent in found] == [
        ("quarantined", "aos.message"),
        ("done", "aos.agent.pause"),
    ]


async def test_publications_by_pattern(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    await aos.message_bus.publish("shop.order.created", {"n": 0})
    async with client.stream("GET", "/api/v1/publications", params={"topic": "shop.order.*"}) as answer:
        reading = asyncio.create_task(first(answer, 2))
        await asyncio.sleep(0.1)
        for topic in ("shop.order.created", "shop.closed", "shop.order.paid"):
            await aos.message_bus.publish(topic, {"n": 1})
        found = await reading
    assert [sent.event for sent in found] == ["shop.order.created", "shop.order.paid"]
    assert json.loads(found[0].data)["data"] == {"n": 1}
    async with client.stream("GET", "/api/v1/publications", params={"after": "0"}) as answer:
        everything = await first(answer, 4)
    async with client.stream("GET", "/api/v1/publications", headers={"Last-Event-ID": everything[1].id}) as answer:
        assert await first(answer, 2) == everything[2:]


async def test_what_agents_publish_comes_too(client: httpx2.AsyncClient) -> None:
    async with client.stream("GET", "/api/v1/publications", params={"topic": "counter.#"}) as answer:
        await bump(client, "one")
        assert [json.loads(sent.data)["data"] for sent in await first(answer, 1)] == [{"n": 1}]


async def test_what_this_process_does_is_seen_at_once(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL_SECONDS", 60.0)
    async with client.stream("GET", OUTCOMES) as outcomes, client.stream("GET", "/api/v1/publications") as published:
        await asyncio.sleep(0.1)
        await bump(client, "one")
        assert len(await first(outcomes, 1)) == 1
        assert len(await first(published, 1)) == 1


async def test_what_is_only_parked_has_not_ended(client: httpx2.AsyncClient) -> None:
    await client.post(f"{COUNTER}/pause")
    async with client.stream("GET", OUTCOMES) as answer:
        await client.post(f"{COUNTER}/events", params={"wait": 0.2}, json={"id": "one"})
        assert len((await client.get(f"{COUNTER}/mailbox")).json()["items"]) == 1
        await asyncio.sleep(0.2)
        await client.post(f"{COUNTER}/resume")
        assert sorted(sent.event for sent in await first(answer, 2)) == ["done", "done"]


async def test_many_pages_come_in_order(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    ids = [f"{number:04}" for number in range(3 * stream.PAGE // 2)]
    await asyncio.gather(*(client.post(f"{COUNTER}/events", params={"wait": 60}, json={"id": id}) for id in ids))
    async with client.stream("GET", OUTCOMES, params={"after": "0"}) as answer:
        found = await first(answer, len(ids), 30)
    assert sorted(json.loads(sent.data)["id"] for sent in found) == ids
    assert [sent.id for sent in found] == sorted(sent.id for sent in found)


async def test_another_process_on_the_same_file_is_seen(client: httpx2.AsyncClient, tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as other:
        await other.register_app(doors_app)
        async with client.stream("GET", OUTCOMES) as answer:
            await asyncio.sleep(0.1)
            await other.process_event({"type": "t", "agent": "counter"}, 10)
            assert len(await first(answer, 1, 2 * stream.POLL_SECONDS + 3)) == 1


async def test_a_drain_ends_the_stream(client: httpx2.AsyncClient, app: FastAPI) -> None:
    async with client.stream("GET", OUTCOMES) as answer:
        reading = asyncio.create_task(anext(events_of(answer), None))
        await asyncio.sleep(0.1)
        app.state.door.drain()
        assert await asyncio.wait_for(reading, 5) is None


async def test_a_client_that_leaves_is_forgotten(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    async with client.stream("GET", OUTCOMES):
        await asyncio.sleep(0.1)
        assert len(aos.kernel.outcomes.watchers) == 1
    for _ in range(500):
        if not len(aos.kernel.outcomes.watchers):
            break
        await asyncio.sleep(0.01)
    assert len(aos.kernel.outcomes.watchers) == 0


async def test_a_heartbeat_keeps_the_line_alive(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    async with client.stream("GET", OUTCOMES) as answer:
        lines = answer.aiter_lines()
        found = [await asyncio.wait_for(anext(lines), 5) for _ in range(3)]
    assert found[:2] == ["id: 0", ""]
    assert found[2].startswith(":")


async def test_it_begins_with_where_it_begins(client: httpx2.AsyncClient) -> None:
    await bump(client, "before")
    for path in (OUTCOMES, "/api/v1/publications"):
        async with client.stream("GET", path) as answer:
            name, _, id = (await asyncio.wait_for(anext(answer.aiter_lines()), 5)).partition(": ")
        await bump(client, f"after {path}")
        async with client.stream("GET", path, headers={"Last-Event-ID": id}) as answer:
            (found,) = await first(answer, 1)
        assert name == "id"
        assert "before" not in found.data


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{OUTCOMES}?after=x", 422),
        ("/api/v1/agents/nobody/outcomes", 404),
        ("/api/v1/publications?topic=a..b", 422),
        ("/api/v1/publications?after=x", 422),
        (f"/api/v1/publications?after={1 << 63}", 422),
        ("/api/v1/publications?after=-1", 422),
    ],
)
async def test_what_cannot_be_streamed(client: httpx2.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
