"""Cost and budgets over HTTP."""

from functools import partial
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, BaseAgent, Budget, Context, Event, Limits
from AgentOperatingSystem.ml.scripted import ScriptedModel
from tests.waiting import until


class Thinker(BaseAgent):
    """Asks one question."""

    budget = Budget(total=Limits(model_calls=2), event=Limits(tokens=100_000))

    async def on_event(self, event: Event, context: Context) -> Any:
        return (await context.think(str(event.data), model=ScriptedModel(["yes"]))).text


@pytest.fixture(autouse=True)
async def thinker(aos: AgentOperatingSystem) -> None:
    await aos.register_agent(Thinker)


async def asked(client: httpx2.AsyncClient, id: str, wait: int = 10) -> httpx2.Response:
    body = {"id": id, "type": "ask", "data": id}
    return await client.post("/api/v1/agents/thinker/events", params={"wait": wait}, json=body)


async def status(client: httpx2.AsyncClient, id: str) -> str:
    return str((await client.get(f"/api/v1/agents/thinker/events/{id}")).json()["status"])


async def test_what_was_used_is_shown_by_whatever_is_asked(client: httpx2.AsyncClient) -> None:
    for id in ("1", "2"):
        assert (await asked(client, id)).status_code == 200
    shown = (await client.get("/api/v1/cost", params={"by": "agent"})).json()
    (line,) = shown["items"]
    assert (line["name"], line["model_calls"], line["unknown"], line["money"]) == ("thinker", 2, 2, {})
    for by in ("type", "model", "tenant", "day"):
        assert len((await client.get("/api/v1/cost", params={"by": by})).json()["items"]) == 1
    early = {"since": "2020-01-01", "until": "2020-12-31"}
    assert (await client.get("/api/v1/cost", params=early)).json() == {"items": [], **early}


@pytest.mark.parametrize("query", [{"by": "colour"}, {"since": "yesterday"}])
async def test_a_report_that_makes_no_sense_is_refused(client: httpx2.AsyncClient, query: dict[str, str]) -> None:
    refused = await client.get("/api/v1/cost", params=query)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-input")


async def test_limits_are_shown_and_raised_and_the_event_goes_on(client: httpx2.AsyncClient) -> None:
    for id in ("1", "2"):
        await asked(client, id)
    await asked(client, "3", wait=0)
    await until(partial(status, client, "3"), lambda now: now == "waiting")
    shown = (await client.get("/api/v1/agents/thinker/budgets")).json()["items"]
    assert [(each["period"], each["limits"]) for each in shown] == [
        ("event", {"tokens": 100_000}),
        ("total", {"model_calls": 2}),
    ]
    assert shown[1]["used"]["model_calls"] == 2
    more = {"scope": "agent", "of": "thinker", "period": "total", "by": {"model_calls": 1}}
    assert (await client.post("/api/v1/budgets/raise", json=more)).json() == {"went_on": 1}
    await until(partial(status, client, "3"), lambda now: now == "done")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"by": {}}, "invalid-input"),
        ({"by": {"tokens": -1}}, "invalid-input"),
        ({"scope": "planet"}, "invalid-input"),
        ({"period": "century"}, "invalid-input"),
        ({"period": "event"}, "invalid-input"),
        ({"of": "nobody"}, "unknown-agent"),
        ({"scope": "type", "of": "nobody"}, "unknown-agent"),
        ({"scope": "tenant", "of": "elsewhere"}, "invalid-input"),
    ],
)
async def test_what_cannot_be_raised_is_refused(client: httpx2.AsyncClient, wrong: dict[str, Any], code: str) -> None:
    await asked(client, "1")
    body = {"scope": "agent", "of": "thinker", "period": "total", "by": {"model_calls": 1}} | wrong
    refused = await client.post("/api/v1/budgets/raise", json=body)
    assert refused.json()["code"] == code
