"""The route of agents' cards."""

import httpx2


async def test_a_card_is_there_before_the_agent_was_ever_woken(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/agents/counter/card", params={"key": "a b"})
    assert answer.status_code == 200
    card = answer.json()
    assert (card["name"], card["agent"], card["url"]) == ("counter", "counter/a b", "/api/v1/agents/counter?key=a%20b")
    assert (card["capabilities"], card["description"]) == (["counting"], "Counts.")
    assert card["policies"]["turn_timeout_seconds"] > 0


async def test_it_has_the_schedules(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/agents/counter/events", params={"wait": 5}, json={"type": "schedule"})
    card = (await client.get("/api/v1/agents/counter/card")).json()
    assert [(each["name"], each["type"]) for each in card["schedules"]] == [("later", "aos.schedule")]


async def test_markdown_by_query_or_header(client: httpx2.AsyncClient) -> None:
    asked = await client.get("/api/v1/agents/counter/card", params={"format": "markdown"})
    assert asked.headers["content-type"] == "text/markdown; charset=utf-8"
    assert asked.text.startswith("# counter 1.0.0\n\nCounts.\n")
    preferred = await client.get("/api/v1/agents/counter/card", headers={"Accept": "text/markdown"})
    assert preferred.text == asked.text
    explicit = {"params": {"format": "json"}, "headers": {"Accept": "text/markdown"}}
    assert (await client.get("/api/v1/agents/counter/card", **explicit)).json()["name"] == "counter"  # type: ignore[arg-type]  # keywords


async def test_what_is_not_there(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/agents/nobody/card")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-agent")
    assert (await client.get("/api/v1/agents/counter/card", params={"format": "pdf"})).status_code == 422
