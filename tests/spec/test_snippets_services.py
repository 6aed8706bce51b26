"""The specification's snippets for configuration, reliability and observability, run as they are printed."""

import ast
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import CircuitOpen, IllegalTransition
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.reliability import ServiceError

ROOT = Path(__file__).parents[2]
Execute = Callable[..., Awaitable[dict[str, Any]]]
STORAGE = "DefaultEndpointsProtocol=https;AccountName=desk;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net"
SERVICE_BUS = "Endpoint=sb://desk.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=bXktc2VjcmV0"


@pytest.mark.parametrize("path", sorted((ROOT / "tests/spec/snippets").glob("*.py.txt")), ids=lambda path: path.name)
def test_every_python_snippet_can_be_compiled(path: Path) -> None:
    assert path.read_text().startswith("# Specification: ")
    compile(path.read_text(), path.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def test_configuration_without_any_variable(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_SERVICEBUS_CONNECTION_STRING", "APP_ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)
    left = await execute("configuration", before="import os\nfrom AgentOperatingSystem import AOSConfig")
    config = left["config"]
    assert (config.storage_connection_string, config.servicebus_connection_string) == (None, None)
    assert config.environment == "production"


async def test_configuration_from_the_environment(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", STORAGE)
    monkeypatch.setenv("AZURE_SERVICEBUS_CONNECTION_STRING", SERVICE_BUS)
    monkeypatch.setenv("APP_ENVIRONMENT", "staging")
    left = await execute("configuration", before="import os\nfrom AgentOperatingSystem import AOSConfig")
    config = left["config"]
    assert config.storage_connection_string.get_secret_value() == STORAGE
    assert config.servicebus_connection_string.get_secret_value() == SERVICE_BUS
    assert (config.environment, config.origin("environment")) == ("staging", "runtime argument environment")


async def test_state_machine(execute: Execute) -> None:
    machine = (await execute("state_machine"))["sm"]
    assert machine.state == "created"
    with pytest.raises(IllegalTransition, match="no transition 'idle' from state 'created'; legal: initialize"):
        machine.fire("idle")
    assert [machine.fire(trigger) for trigger in ("initialize", "start", "idle")] == [
        "initialized",
        "running",
        "sleeping",
    ]
    assert [move.trigger for move in machine.history] == ["initialize", "start", "idle"]


class Service:
    """Answers, or fails with the given error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def call(self) -> str:
        if self.error:
            raise self.error
        return "answer"


async def test_circuit_breaker_passes_what_works(execute: Execute) -> None:
    left = await execute("circuit_breaker", ServiceError=ServiceError, external_service=Service())
    assert (left["result"], left["breaker"].state) == ("answer", "closed")


async def test_circuit_breaker_opens_after_five_failures(execute: Execute, snippet: Callable[[str], str]) -> None:
    """The part that uses the breaker is run again and again, against the breaker that the part before it made."""
    making, _, using = snippet("circuit_breaker").partition("\nasync with")
    namespace: dict[str, Any] = {"ServiceError": ServiceError, "external_service": Service(ServiceError("down"))}
    exec(making, namespace)
    code = compile(f"async with{using}", "using", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for _ in range(5):
        with pytest.raises(ServiceError):
            await eval(code, namespace)
    with pytest.raises(CircuitOpen) as raised:
        await eval(code, namespace)
    assert 59 < (raised.value.retry_after_seconds or 0) <= 60


async def test_observability(execute: Execute) -> None:
    counted = metrics.value("agent.events.processed"), metrics.value("agent.processing.duration")
    handled: list[str] = []

    async def process_event(event: str) -> None:
        handled.append(event)

    await execute("observability", duration=0.02, process_event=process_event, event="an event")
    assert handled == ["an event"]
    assert metrics.value("agent.events.processed") == counted[0] + 1
    assert metrics.value("agent.processing.duration") == counted[1] + 1
    exported = metrics.prometheus_text()
    assert "agent_events_processed_total" in exported
    assert "agent_processing_duration_sum" in exported


TRACED = """
import asyncio, json, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from AgentOperatingSystem.observability import tracing

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
exec(open(sys.argv[1]).read())

class Agent(TracedAgent):
    agent_id = "ceo"
    async def _execute(self, action_name, **kwargs):
        return kwargs["value"]

async def work():
    with tracing.span("process_event"):
        await Agent().execute_action("decide", value=1)
        try:
            await Agent().execute_action("fail")
        except KeyError:
            pass

asyncio.run(work())
spans = exporter.get_finished_spans()
print(json.dumps([[s.name, f"{s.context.trace_id:x}", dict(s.attributes), [e.name for e in s.events]] for s in spans]))
"""


def test_distributed_tracing() -> None:
    """In a process of its own, because a tracer provider is for ever."""
    path = ROOT / "tests/spec/snippets/distributed_tracing.py.txt"
    command = [sys.executable, "-W", "error", "-c", TRACED, str(path)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    decided, failed, around = json.loads(ran.stdout)
    assert (decided[0], failed[0], around[0]) == ("agent.action", "agent.action", "process_event")
    assert decided[1] == failed[1] == around[1], "one trace"
    assert decided[2] == {"agent.id": "ceo", "action.name": "decide", "action.status": "success"}
    assert failed[2] == {"agent.id": "ceo", "action.name": "fail", "action.status": "error"}
    assert "exception" in failed[3]
