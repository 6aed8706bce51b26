"""Telemetry as it leaves real processes: to a collector on loopback, in one trace across two of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector import Collector, collecting
from tests.contract.model_server import ModelServer, running
from tests.e2e.test_model_failures import answer
from tests.hosts import hosting
from tests.waiting import waited

APP = Path(__file__).with_name("telemetry_app.py")
CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE, DOOR_PARENT = CALLER[3:35], CALLER[36:52]
CANARY = "canary-7f3a9b-in-a-secret"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with running() as server:
        server.plan.append(answer("on its way"))
        yield server


@pytest.fixture(autouse=True)
def no_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporters of Application Insights tell their makers how they are; these have no way out."""
    monkeypatch.setenv("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "True")


def run_both_hosts(data: Path, model: ModelServer, seconds: float = 1.0, **settings: Any) -> None:
    """One host takes the event and ends; another one, on the same folder, tells the reader."""
    common = {"compatible_base_url": f"{model.url}/v1", "compatible_api_key": CANARY, "telemetry_metrics_seconds": 600}
    with hosting(data, app=APP, **common, **settings) as first:
        with first.client() as client:
            sent = client.post(
                "/api/v1/agents/asker/events",
                params={"wait": 30},
                json={"id": "one", "data": {"after_seconds": seconds, "password": CANARY}},
                headers={"traceparent": CALLER},
            )
            assert sent.json()["result"] == "on its way", sent.text
        assert first.end(signal.SIGTERM) == 0, first.errors
    with hosting(data, app=APP, **common, **settings) as second:
        with second.client() as client:
            waited(lambda: client.get("/api/v1/agents/reader/state").json().get("heard") == 2)
        assert second.end(signal.SIGTERM) == 0, second.errors


def test_one_trace_from_the_door_to_an_agent_in_another_process(
    tmp_path: Path, collector: Collector, model: ModelServer
) -> None:
    run_both_hosts(tmp_path, model, otlp_endpoint=collector.url, otlp_headers="api-key=k")
    spans = [each for each in collector.spans if each["trace"] == TRACE]
    assert [each["name"] for each in collector.spans if each["trace"] != TRACE] == []
    by_id = {each["id"]: each for each in spans}
    assert {each["parent"] for each in spans} - by_id.keys() == {DOOR_PARENT}, "no orphan but the caller's child"

    def parents(name: str) -> list[str]:
        return sorted(by_id[each["parent"]]["name"] for each in spans if each["name"] == name)

    assert parents("invoke_agent asker") == ["POST /api/v1/agents/{name}/events"]
    assert parents("chat m") == parents("execute_tool look_up") == ["invoke_agent asker"]
    assert parents("publish orders") == parents("send reader") == ["invoke_agent asker"]
    assert parents("invoke_agent reader") == ["publish orders", "send reader"]
    processes = {each["sender"]["service.instance.id"] for each in spans}
    assert len(processes) == 2
    (chat,) = (each for each in spans if each["name"] == "chat m")
    assert chat["attributes"]["gen_ai.usage.input_tokens"] == 5
    assert chat["attributes"]["gen_ai.response.finish_reasons"] == ["stop"]
    assert "agent_events_processed" in collector.metrics
    assert {each["api-key"] for each in collector.headers} == {"k"}
    assert all(CANARY.encode() not in body for body in collector.bodies)


def test_the_retired_way_and_the_new_one_reach_application_insights(
    tmp_path: Path, collector: Collector, model: ModelServer
) -> None:
    for way in ("opencensus", "azure_monitor"):
        collector.envelopes.clear()
        folder = tmp_path / way
        folder.mkdir()
        secret = collector.connection_string
        run_both_hosts(folder, model, telemetry=way, applicationinsights_connection_string=secret)
        names = {each["name"] for each in collector.of_type("RequestData")}
        assert {"invoke_agent asker", "invoke_agent reader"} <= names, way
        assert "chat m" in {each["name"] for each in collector.of_type("RemoteDependencyData")}, way
        operations = {each["tags"].get("ai.operation.id") for each in collector.envelopes if "Request" in each["name"]}
        assert TRACE in operations, way
        metrics = {point["name"] for each in collector.of_type("MetricData") for point in each["metrics"]}
        assert "agent_events_processed" in metrics, way
        assert collector.of_type("MessageData"), way
        assert all(CANARY.encode() not in body for body in collector.bodies)


def test_an_exporter_without_a_collector_is_not_noticed(tmp_path: Path, model: ModelServer) -> None:
    run_both_hosts(tmp_path, model, seconds=0.01, otlp_endpoint="http://127.0.0.1:9")
