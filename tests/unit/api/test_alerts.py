"""Alerts over HTTP, and the metrics that rules are about."""

from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from AgentOperatingSystem import Action, Agent, AgentOperatingSystem
from AgentOperatingSystem.observability import actions, metrics
from tests.waiting import until

RULES = {
    "shipped": True,
    "metrics": [
        {"name": "roomy", "metric": "process_resident_memory_bytes", "of": "gauge", "above": 1, "says": "fine"}
    ],
}


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    path = tmp_path / "alerts.json"
    path.write_bytes(msgspec.json.encode(RULES))
    return {"alerts_file": path}


@pytest.fixture(autouse=True)
def fresh_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics are the process's, and bounded: the tests before this one may have filled them."""
    monkeypatch.setattr(actions, "_named", set())
    for shelf in (metrics.registry.counters, metrics.registry.gauges, metrics.registry.histograms):
        monkeypatch.setattr(shelf, "families", {})
        monkeypatch.setattr(shelf, "cache", {})


class Librarian(Agent):
    """Knows books."""

    @Action("file_book")
    async def file_book(self, title: str) -> str:
        self.memory.store_knowledge("book", title)
        self.state = {"books": 1}
        return title

    @Action("lose_book")
    async def lose_book(self) -> str:
        raise RuntimeError("it is gone")


async def firing(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/api/v1/alerts")).json()["items"]
    return found


async def test_what_fires_is_listed_and_can_be_silenced(aos: AgentOperatingSystem, client: httpx2.AsyncClient) -> None:
    assert await firing(client) == []
    await aos.keep_house()
    (alert,) = await until(lambda: firing(client), lambda found: len(found) == 1)
    assert (alert["rule"], alert["subject"], alert["says"]) == ("roomy", aos.alerts.host, "fine")
    assert (alert["severity"], alert["silenced_until"], alert["since"]) == ("warning", None, alert["begun"])
    said = {"seconds": 7200, "reason": "we know"}
    silence = (await client.post("/api/v1/alerts/roomy/silence", json=said)).json()
    assert silence["reason"] == "we know"
    rules = {each["name"]: each for each in (await client.get("/api/v1/alerts/rules")).json()["items"]}
    assert len(rules) == 8
    roomy = rules["roomy"]
    assert (roomy["firing"], roomy["condition"], roomy["reason"]) == (1, "gauge > 1", "we know")
    assert roomy["silenced_until"] == silence["silenced_until"] == (await firing(client))[0]["silenced_until"]
    assert rules["events_failing"]["condition"] == "rate > 1"
    ended = (await client.post("/api/v1/alerts/roomy/silence", json={"seconds": 0})).json()
    assert ended == {"rule": "roomy", "silenced_until": None, "reason": ""}


@pytest.mark.parametrize(
    ("rule", "body", "status"),
    [("ruomy", {"seconds": 1}, 404), ("roomy", {"seconds": -1}, 422), ("roomy", {}, 422), ("roomy", {"hours": 1}, 422)],
)
async def test_a_silence_that_cannot_be(client: httpx2.AsyncClient, rule: str, body: Any, status: int) -> None:
    answer = await client.post(f"/api/v1/alerts/{rule}/silence", json=body)
    assert answer.status_code == status, answer.text


async def test_an_action_is_counted_timed_and_what_the_agent_knows_is_measured(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient
) -> None:
    await aos.register_agent(Librarian("librarian"))
    done = await client.post("/api/v1/agents/librarian/actions/file_book", params={"wait": 10}, json={"title": "Emma"})
    assert done.json()["result"] == "Emma"
    lines = (await client.get("/metrics")).text.splitlines()
    named = [line for line in lines if 'agent_id="librarian"' in line]
    assert 'agent_actions_total{action_type="file_book",agent_id="librarian",status="success"} 1.0' in named
    assert 'agent_action_duration_seconds_count{action_type="file_book",agent_id="librarian"} 1.0' in named
    assert 'agent_memory_bytes{agent_id="librarian",memory_type="state"} 11.0' in named
    assert 'agent_memory_bytes{agent_id="librarian",memory_type="knowledge"} 10.0' in named
    await client.post("/api/v1/agents/librarian/actions/lose_book", json={})

    async def errors() -> bool:
        text = (await client.get("/metrics")).text
        return 'agent_actions_total{action_type="lose_book",agent_id="librarian",status="error"}' in text

    await until(errors, bool)


async def test_what_the_process_uses_is_a_metric(client: httpx2.AsyncClient) -> None:
    text = (await client.get("/metrics")).text
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "aos_queue_depth"):
        assert f"\n{name} " in text, name
        assert f"# HELP {name.removesuffix('_total')}" in text, name


async def test_the_metrics_are_json_too(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/agents/counter/events", params={"wait": 10}, json={})
    answer = await client.get("/api/v1/system/metrics")
    found = {each["name"]: each for each in answer.json()["items"]}
    memory = found["process_resident_memory_bytes"]
    assert (memory["kind"], memory["series"][0]["labels"]) == ("gauge", {})
    assert memory["series"][0]["value"] > 1 << 20
    assert found["process_cpu_seconds_total"]["kind"] == "counter"
    histogram = next(each for each in found.values() if each["kind"] == "histogram")["series"][0]
    assert histogram["buckets"]["+Inf"] == histogram["count"]
    text = await client.get("/api/v1/system/metrics", headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
