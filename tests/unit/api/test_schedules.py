"""Schedules over HTTP."""

from functools import partial
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem.orchestration.bells import SAFETY_BELL_SECONDS
from tests import doors_app
from tests.waiting import until

PICKY = "/api/v1/agents/picky"


async def handled(client: httpx2.AsyncClient, agent: str, type: str) -> list[dict[str, Any]]:
    history = (await client.get(f"/api/v1/agents/{agent}/history")).json().get("items", [])
    return [item for item in history if item["event"]["type"] == type]


async def test_made_listed_replaced_cancelled(client: httpx2.AsyncClient) -> None:
    nightly = {"name": "nightly/1", "cron": "0 3 * * *", "timezone": "Europe/Vienna", "data": {"x": 1}}
    made = await client.post(f"{PICKY}/schedules", params={"key": "a"}, json=nightly)
    assert (made.status_code, made.json()["agent"], made.json()["cron"]) == (201, "picky/a", "0 3 * * *")
    assert (await client.post(f"{PICKY}/schedules", params={"key": "a"}, json=nightly)).status_code == 200
    moved = await client.post(f"{PICKY}/schedules", params={"key": "a"}, json=nightly | {"cron": "0 4 * * *"})
    assert moved.status_code == 201
    listed = (await client.get("/api/v1/schedules")).json()
    assert listed == {"items": [moved.json()], "after": ""}
    assert (await client.get("/api/v1/schedules", params={"agent": "picky/a"})).json()["items"] == listed["items"]
    assert (await client.get("/api/v1/schedules", params={"agent": "picky/b"})).json()["items"] == []
    gone = await client.delete(f"{PICKY}/schedules/nightly/1", params={"key": "a"})
    assert gone.json() == moved.json()
    assert (await client.get("/api/v1/schedules")).json()["items"] == []
    again = await client.delete(f"{PICKY}/schedules/nightly/1", params={"key": "a"})
    assert (again.status_code, again.json()["code"]) == (404, "unknown-schedule")


async def test_a_single_run_happens(client: httpx2.AsyncClient) -> None:
    await client.post(f"{PICKY}/schedules", json={"name": "soon", "after_seconds": 0.3, "type": "soon", "data": 7})
    found = await until(partial(handled, client, "picky", "soon"), bool)
    assert [item["result"] for item in found] == [7]
    assert (await client.get("/api/v1/schedules")).json()["items"] == []


async def test_a_run_is_not_late_where_the_schedules_own_bell_comes_among_events(client: httpx2.AsyncClient) -> None:
    gated = "/api/v1/agents/gated"
    await client.post(f"{gated}/events", json={})
    await client.post(f"{gated}/schedules", json={"name": "soon", "after_seconds": 0.5, "type": "soon"})
    for _ in range(3):
        await client.post(f"{gated}/events", json={})
    doors_app.Gated.gate.set()
    await until(partial(handled, client, "gated", "soon"), bool, seconds=SAFETY_BELL_SECONDS / 2)


async def test_the_list_goes_on_page_by_page(client: httpx2.AsyncClient) -> None:
    for key in ("a", "b", "c"):
        await client.post(f"{PICKY}/schedules", params={"key": key}, json={"name": "n", "at": "2100-01-01T00:00:00Z"})
    after, agents = "", []
    for _ in range(4):
        page = (await client.get("/api/v1/schedules", params={"limit": 1, "after": after})).json()
        agents += [item["agent"] for item in page["items"]]
        after = page["after"]
        if not after:
            break
    assert agents == ["picky/a", "picky/b", "picky/c"]


@pytest.mark.parametrize(
    "said",
    [
        {"name": "n"},
        {"name": "n", "cron": "61 * * * *"},
        {"name": "n", "cron": "every day"},
        {"name": "n", "cron": "* * * * *", "timezone": "Mars/Olympus"},
        {"name": "n", "cron": "* * * * *", "missed": "never"},
        {"name": "n", "cron": "* * * * *", "at": 1},
        {"name": "n", "at": 1, "after_seconds": 1},
        {"name": "n", "at": "tomorrow"},
        {"name": "n", "at": 1e300},
        {"name": "n", "after_seconds": 1e300},
        {"name": "n", "after_seconds": -1e300},
        {"name": "", "after_seconds": 1},
        {"name": "n" * 257, "after_seconds": 1},
        {"cron": "* * * * *"},
    ],
)
async def test_what_is_wrong_with_a_schedule_is_said(client: httpx2.AsyncClient, said: dict[str, Any]) -> None:
    answer = await client.post(f"{PICKY}/schedules", json=said)
    assert answer.status_code == 422, answer.text
    assert (await client.get("/api/v1/schedules")).json()["items"] == []


async def test_who_cannot_have_schedules(client: httpx2.AsyncClient) -> None:
    soon = {"name": "n", "after_seconds": 60}
    assert (await client.post("/api/v1/agents/nobody/schedules", json=soon)).status_code == 404
    assert (await client.post("/api/v1/agents/aos.handler/schedules", json=soon)).status_code == 403
    await client.post(f"{PICKY}/terminate")
    assert (await client.post(f"{PICKY}/schedules", json=soon)).status_code == 410
