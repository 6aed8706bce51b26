"""What can be read of agents."""

from typing import Any

import httpx2
import pytest

AGENTS = "/api/v1/agents"


async def bump(client: httpx2.AsyncClient, key: str = "", times: int = 1, **event: Any) -> None:
    for _ in range(times):
        answer = await client.post(f"{AGENTS}/counter/events", params={"wait": 10, "key": key}, json=event)
        assert answer.status_code == 200


async def test_the_list_goes_on_page_by_page(client: httpx2.AsyncClient) -> None:
    for key in ("a", "b", "c"):
        await bump(client, key)
    first = (await client.get(AGENTS, params={"limit": 2})).json()
    second = (await client.get(AGENTS, params={"limit": 2, "after": first["after"]})).json()
    assert [item["agent"] for item in first["items"] + second["items"]] == ["counter/a", "counter/b", "counter/c"]
    assert second["after"] == ""
    assert first["items"][0]["state"] == "sleeping"
    assert first["items"][0]["last_seen"].endswith("Z")
    assert [kind["name"] for kind in first["types"]] == ["counter", "gated", "hog", "picky", "slow"]


async def test_the_list_by_prefix(client: httpx2.AsyncClient) -> None:
    for key in ("ab", "ac", "b"):
        await bump(client, key)
    found = (await client.get(AGENTS, params={"prefix": "counter/a"})).json()
    assert [item["key"] for item in found["items"]] == ["ab", "ac"]


async def test_the_systems_own_agents_are_shown_when_asked_for(client: httpx2.AsyncClient) -> None:
    await client.get("/health/ready")
    assert (await client.get(AGENTS)).json()["items"] == []
    shown = (await client.get(AGENTS, params={"system": True})).json()
    assert [item["name"] for item in shown["items"]] == ["aos.health"]


async def test_one_agent(client: httpx2.AsyncClient) -> None:
    await bump(client, "a", type="schedule")
    shown = (await client.get(f"{AGENTS}/counter", params={"key": "a"})).json()
    assert (shown["agent"], shown["state"], shown["handled"], shown["registered"]) == ("counter/a", "sleeping", 1, True)
    assert (shown["type"]["capabilities"], shown["type"]["doc"]) == (["counting"], "Counts.")
    assert [schedule["name"] for schedule in shown["schedules"]] == ["later"]
    assert shown["next_tick"] == shown["schedules"][0]["due"]


async def test_an_agent_that_was_never_woken(client: httpx2.AsyncClient) -> None:
    shown = (await client.get(f"{AGENTS}/counter", params={"key": "new"})).json()
    assert (shown["state"], shown["version"], shown["last_seen"]) == ("created", 0, None)
    for what in ("state", "history", "mailbox", "memory", "export"):
        answer = await client.get(f"{AGENTS}/counter/{what}", params={"key": "new"})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-agent")
    assert (await client.get(f"{AGENTS}/nobody")).status_code == 404


async def test_the_state_and_its_etag(client: httpx2.AsyncClient) -> None:
    await bump(client)
    state = await client.get(f"{AGENTS}/counter/state")
    assert state.json() == {"n": 1}
    known = {"If-None-Match": f'"old", W/{state.headers["etag"]}'}
    again = await client.get(f"{AGENTS}/counter/state", headers=known)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", state.headers["etag"])
    await bump(client)
    changed = await client.get(f"{AGENTS}/counter/state", headers=known)
    assert (changed.status_code, changed.json()) == (200, {"n": 2})


async def test_the_history_goes_on_page_by_page(client: httpx2.AsyncClient) -> None:
    await bump(client, times=3)
    await client.post(f"{AGENTS}/counter/pause", json={"reason": "lunch"})
    after, types = "", []
    for _ in range(4):
        page = (await client.get(f"{AGENTS}/counter/history", params={"limit": 1, "after": after})).json()
        types += [item["event"]["type"] for item in page["items"]]
        after = page["after"]
    assert types == ["aos.message", "aos.message", "aos.message", "aos.agent.pause"]
    assert after == ""


async def test_the_history_of_one_status(client: httpx2.AsyncClient) -> None:
    await client.post(f"{AGENTS}/picky/events", params={"wait": 10}, json={"data": "good"})
    await client.post(f"{AGENTS}/picky/events", params={"wait": 10}, json={"data": "bad"})
    found = (await client.get(f"{AGENTS}/picky/history", params={"status": "quarantined"})).json()["items"]
    assert [(item["event"]["data"], item["reason"]) for item in found] == [("bad", "quarantine: does not like it")]


async def test_the_mailbox_shows_what_waits_in_its_order(client: httpx2.AsyncClient) -> None:
    await bump(client)
    await client.post(f"{AGENTS}/counter/pause")
    for number in range(3):
        priority = 9 if number == 2 else 0
        event = {"id": str(number), "priority": priority}
        await client.post(f"{AGENTS}/counter/events", params={"wait": 0.2}, json=event)
    shown = (await client.get(f"{AGENTS}/counter/mailbox", params={"limit": 2})).json()
    assert [item["id"] for item in shown["items"]] == ["2", "0"]
    assert shown["more"] is True
    assert shown["items"][0]["status"] == "parked"


async def test_the_memory(client: httpx2.AsyncClient) -> None:
    await bump(client, data={"x": 1})
    await bump(client, data="two")
    listed = (await client.get(f"{AGENTS}/counter/memory", params={"prefix": "seen/"})).json()
    assert listed["items"] == [{"key": "seen/1", "value": {"x": 1}}, {"key": "seen/2", "value": "two"}]
    assert (await client.get(f"{AGENTS}/counter/memory", params={"prefix": "other"})).json()["items"] == []
    assert (await client.get(f"{AGENTS}/counter/memory/seen/2")).json() == "two"
    assert (await client.get(f"{AGENTS}/counter/memory/seen/3")).json()["code"] == "not-found"


@pytest.mark.parametrize(
    "path",
    [
        "?limit=0",
        "?limit=1001",
        "?limit=x",
        "/counter/history?after=what",
        "/counter/history?status=odd",
        "/no%20name/state",
        f"/{'n' * 65}",
        "/counter?key=%00",
        "/counter/state?key=" + "k" * 513,
    ],
)
async def test_what_is_wrong_with_a_question_is_said(client: httpx2.AsyncClient, path: str) -> None:
    await bump(client)
    answer = await client.get(AGENTS + path)
    assert answer.status_code == 422
    assert answer.json()["detail"]
