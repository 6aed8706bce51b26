"""function_app.py under the local Functions host, with Microsoft's runtime and with its SDK: a real event through each
trigger, and what became of it.
"""

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from tests.emulator import emulator, fresh_prefix
from tests.functions import ROOT, FunctionsHost, hosted, runtime_python

ENGINES = ("runtime", "sdk")
WEBHOOK = "/runtime/webhooks/eventgrid?functionName=event_grid"


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Both engines, where there is a Python for them."""
    if request.param == "runtime" and not runtime_python():
        pytest.skip("no Python 3.13 for azure-functions-runtime")
    return str(request.param)


def an_account() -> dict[str, Any]:
    """A table and a queue of their own, on the emulator."""
    name = fresh_prefix()
    return {"storage_connection_string": emulator().connection_string, "storage_table": name, "storage_queue": name}


@pytest.fixture(scope="module")
def names(engine: str) -> dict[str, Any]:
    """Those of one engine's host."""
    return an_account()


@pytest.fixture(scope="module")
def host(engine: str, names: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[FunctionsHost]:
    """One host for the tests of this file, on tables and a queue."""
    with hosted(tmp_path_factory.mktemp("app"), engine, functions_event_grid=True, **names) as host:
        yield host


def until(look: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def handled(host: FunctionsHost, agent: str, key: str) -> int:
    """How many events the agent's head says it has handled."""
    with host.client() as client:
        found = client.get(f"/api/v1/agents/{agent}", params={"key": key})
    return int(found.json()["handled"]) if found.status_code == 200 else 0


def test_it_runs_under_the_engine_that_was_asked_for(host: FunctionsHost, engine: str) -> None:
    with host.client("") as client:
        status = client.get("/admin/host/status").json()
        names = [each["name"] for each in client.get("/admin/functions").json()]
    assert status["state"] == "Running"
    assert status["engine"].startswith("azure-functions-runtime" if engine == "runtime" else "azure-functions ")
    assert names == ["http", "pulse", "letter", "event_grid"]


def test_http_asks_for_a_token_on_every_route_but_the_probe(host: FunctionsHost) -> None:
    with host.client("") as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/api/v1/agents").status_code == 401
        assert client.get("/docs").status_code == 401
        assert client.post("/api/v1/agents/counter/events", json={"type": "t"}).status_code == 401


def test_an_event_over_http_comes_back_through_the_queue_with_its_result(host: FunctionsHost) -> None:
    with host.client() as client:
        for said, result in (("a", 1), ("b", 2), ("b", 2)):
            answer = client.post(
                "/api/v1/agents/counter/events",
                params={"key": "http", "wait": 20},
                headers={"Idempotency-Key": said},
                json={"type": "t", "data": said},
            )
            assert (answer.status_code, answer.json()["result"]) == (200, result)
    assert handled(host, "counter", "http") == 2


def test_http_streams(host: FunctionsHost) -> None:
    """The event is sent only after the stream has begun: a buffered answer would never come."""
    with (
        host.client() as client,
        host.client() as sender,
        client.stream("GET", "/api/v1/agents/counter/outcomes", params={"key": "s"}) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        sender.post("/api/v1/agents/counter/events", params={"key": "s", "wait": 20}, json={"type": "t"})
        told = next(line for line in answer.iter_lines() if line.startswith("data:"))
    assert json.loads(told[5:])["result"] == 1


def test_a_message_of_the_queue_is_a_turn(host: FunctionsHost, names: dict[str, Any]) -> None:
    event = {"specversion": "1.0", "id": "q1", "source": "/test", "type": "t", "aosagent": "counter/queue", "data": 1}
    with QueueClient.from_connection_string(names["storage_connection_string"], names["storage_queue"]) as queue:
        for _ in range(2):  # the same event twice is one
            queue.send_message(base64.b64encode(json.dumps(event).encode()).decode())
        until(lambda: handled(host, "counter", "queue"))
        until(lambda: queue.get_queue_properties().approximate_message_count == 0)
    assert handled(host, "counter", "queue") == 1


def test_event_grid_delivers_in_both_schemas_after_its_handshakes(host: FunctionsHost) -> None:
    ours = {"id": "g1", "topic": "/t", "subject": "grid", "eventType": "github.push", "data": {}, "dataVersion": "1"}
    cloud = {"specversion": "1.0", "id": "g2", "source": "/s", "type": "t", "aosagent": "counter/grid", "data": 1}
    with host.client("") as client:
        asked = [{"id": "v", "eventType": "v", "data": {"validationCode": "the code"}}]
        answer = client.post(WEBHOOK, json=asked, headers={"aeg-event-type": "SubscriptionValidation"})
        assert answer.json() == {"validationResponse": "the code"}
        allowed = client.options(WEBHOOK, headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
        assert allowed.headers["webhook-allowed-origin"] == "eventgrid.azure.net"
        ours["eventTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        assert client.post(WEBHOOK, json=[ours]).status_code == 202
        assert client.post(WEBHOOK, json=cloud).status_code == 202
        assert client.post(WEBHOOK, json=cloud).status_code == 202
        assert client.post(WEBHOOK, json={"no": "event"}).status_code == 202
    until(lambda: handled(host, "counter", "grid") == 2)
    with host.client() as client:
        kept = until(lambda: client.get("/api/v1/quarantine").json()["items"])
    assert "Event Grid: Object missing required field `id`" in kept[0]["reason"]


def test_the_pulse_beats_and_names_what_is_no_function(host: FunctionsHost) -> None:
    assert host.run("pulse").status_code == 202
    assert host.run("nothing").status_code == 404
    assert host.run("letter", "").status_code == 202  # what nobody can read goes into the quarantine


def test_a_page_of_another_origin_cannot_run_functions(host: FunctionsHost) -> None:
    with host.client("") as client:
        refused = client.post("/admin/functions/pulse", json={}, headers={"Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert client.post("/admin/functions/pulse", content=b"{}").status_code == 415


def test_a_host_that_is_told_to_stop_lets_its_turn_end(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    settings = {**an_account(), "app": ROOT / "tests" / "functions_app.py"}
    with hosted(tmp_path / "app", "sdk", **settings) as host:
        with host.client() as client:
            data = {"file": str(begun), "seconds": 2}
            client.post("/api/v1/agents/slow/events", params={"key": "s"}, json={"type": "t", "data": data})
        until(begun.exists)
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(30) == 0
        assert not any("Unclosed" in line or "Traceback" in line for line in host.lines), "".join(host.lines)
    with hosted(tmp_path / "app", "sdk", **settings) as host:
        assert handled(host, "slow", "s") == 1
