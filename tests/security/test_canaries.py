"""Secrets of the configuration, of events, tools and models: none is told anywhere, or kept where nobody put it.

Every setting that is a secret holds a canary: a new one is under test the day it is declared. What comes out is looked
at as a whole: logs, spans, metrics, answers of the doors, what the command line prints, and every byte of the store.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.cli.app import run
from AgentOperatingSystem.config.sources import _is_secret
from AgentOperatingSystem.errors import BadModelRequest, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.observability import logs, tracing
from AgentOperatingSystem.observability.metrics import prometheus_text
from AgentOperatingSystem.tools.function_tool import tool

SHAPES = {
    "storage_connection_string": "AccountName=desk;SharedAccessSignature=sv=2025&sig={}",
    "servicebus_connection_string": "Endpoint=sb://d.servicebus.windows.net/;SharedAccessKeyName=n;SharedAccessKey={}",
    "database_url": "postgresql://aos:{}@127.0.0.1:1/x",
    "otlp_headers": "authorization={}",
    "applicationinsights_connection_string": "InstrumentationKey={};IngestionEndpoint=http://127.0.0.1:1/",
}
CANARIES = {
    name: f"canary-{name.replace('_', '-')}-0123456789-0123456789"
    for name, field in AOSConfig.model_fields.items()
    if _is_secret(field)
}
SETTINGS = {name: SHAPES.get(name, "{}").format(value) for name, value in CANARIES.items()}
KINDS = ["terminal", "crash", "step", "tool", "model", "fine"]
ENDED = {"done", "failed", "quarantined"}


@tool
def reach(setting: str) -> str:
    """Reaches for something, and fails."""
    raise ConnectionError(f"https://desk.blob.core.windows.net/c?sig={SETTINGS[setting]}: refused {CANARIES[setting]}")


async def connect(setting: str) -> str:
    """A step that fails."""
    raise Terminal(f"cannot connect with {SETTINGS[setting]}")


class Leaky(BaseAgent):
    """Tells what it knows in every way that there is; the event names the setting."""

    async def on_event(self, event: Event, context: Context) -> str:
        secret = CANARIES[event.data]
        logging.getLogger(__name__).warning("with %s and %s", SETTINGS[event.data], secret, extra={"about": [secret]})
        with tracing.span(f"with {secret}", {"what": secret}):
            return await self.tell(event.type, event.data, context)

    async def tell(self, kind: str, setting: str, context: Context) -> str:
        if kind == "terminal":
            raise Terminal(f"cannot reach https://desk.blob.core.windows.net/c/b?sig={CANARIES[setting]}")
        if kind == "crash":
            raise RuntimeError(f"connecting with {SETTINGS[setting]} failed")
        if kind == "step":
            return str(await context.step("connect", connect, setting))
        if kind == "tool":
            return str(await context.call(reach, setting=setting))
        if kind == "model":
            model = ScriptedModel([BadModelRequest(f"the key {CANARIES[setting]} is not for this")])
            return str(await context.think(ModelRequest.ask("Hi"), model=model))
        return "fine"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


@asynccontextmanager
async def door(config: AOSConfig, *agents: type[BaseAgent]) -> AsyncIterator[httpx2.AsyncClient]:
    """A system behind its HTTP door."""
    async with AgentOperatingSystem(config) as system:
        for agent in agents:
            await system.register_agent(agent)
        system.start()
        transport = httpx2.ASGITransport(create_app(system, token=CANARIES["token"]))
        headers = {"Authorization": f"Bearer {CANARIES['token']}"}
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            yield client


async def ended(client: httpx2.AsyncClient, agent: str, key: str, event: dict[str, Any]) -> httpx2.Response:
    """The answer, which has to be that the event has ended."""
    sent = await client.post(f"/api/v1/agents/{agent}/events?key={key}&wait=10", json=event)
    assert sent.json().get("status") in ENDED, sent.text
    return sent


def leaks(told: dict[str, str]) -> dict[str, str]:
    """Where a canary sings, and what stands around it."""
    return {
        place: text[max(0, text.index("canary-") - 60) :][:160] for place, text in told.items() if "canary-" in text
    }


def kept(folder: Path) -> dict[str, str]:
    """Every byte of every file."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "aos.db" for file in files)
    return {str(file): file.read_bytes().decode("latin-1") for file in files}


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_of_the_configuration_is_told_or_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter, kind: str
) -> None:
    fixed: dict[str, Any] = {"store": "embedded", "bus": "embedded", "telemetry": "off", "attempts_max": 1}
    config = AOSConfig(config_dir=tmp_path, data_dir=tmp_path / "d", **fixed, **SETTINGS)
    caplog.handler.addFilter(logs.Redaction())
    told = {"repr": repr(config), "description": str(list(config.describe()))}
    async with door(config, Leaky) as client:
        names = sorted(CANARIES)
        events = [{"type": kind, "id": name, "data": name} for name in names]
        answers = await asyncio.gather(
            *(ended(client, "leaky", name, event) for name, event in zip(names, events, strict=True))
        )
        told |= {f"answer about {name}": answer.text for name, answer in zip(names, answers, strict=True)}
        trace = f"/api/v1/agents/leaky/traces/{names[0]}?key={names[0]}"
        for path in ("/api/v1/quarantine", "/api/v1/agents", "/metrics", "/api/v1/system/metrics", trace):
            found = await client.get(path)
            assert found.status_code == 200, (path, found.text)
            told[path] = found.text
        told["401"] = (await client.get("/api/v1/agents", headers={"Authorization": "Bearer canary-wrong"})).text
    told |= {"log": caplog.text, "metrics": prometheus_text()} | kept(tmp_path / "d")
    finished = spans.get_finished_spans()
    assert len(finished) > len(CANARIES)
    told |= {f"span {number}": span.to_json() for number, span in enumerate(finished)}
    assert "[redacted]" in told["log"]
    assert leaks(told) == {}


class Guest(BaseAgent):
    """Logs what it is told, and fails over it."""

    async def on_event(self, event: Event, context: Context) -> str:
        logging.getLogger(__name__).warning("asked with %s", event.data, extra={"data": event.data})
        await context.step("look", self.look, event.data)
        raise Terminal(f"no use: {event.data} at {event.data['url']}")

    async def look(self, data: Any) -> int:
        return len(data)


GUEST = {
    "password": "canary-of-a-password",
    "api_key": "canary-of-an-api-key",
    "nested": {"clientSecret": "canary-of-a-client", "access_token": "canary-of-a-token"},
    "headers": [{"Authorization": "Bearer canary-of-a-bearer"}],
    "url": "https://me:canary-of-a-user@desk.example.org/a?sig=canary-of-a-signature&sv=1",
    "connection_string": "AccountName=a;AccountKey=canary-of-an-account==",
}


async def test_what_stands_where_secrets_stand_is_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, spans: InMemorySpanExporter
) -> None:
    config = AOSConfig(config_dir=tmp_path, data_dir=tmp_path / "d", attempts_max=1)
    caplog.handler.addFilter(logs.Redaction())
    caplog.handler.setFormatter(logs.JsonLines())
    told: dict[str, str] = {}
    async with door(config, Guest) as client:
        answer = (await ended(client, "guest", "", {"type": "x", "id": "1", "data": GUEST})).json()
        assert answer["event"].pop("data") == GUEST  # what the caller sent is what the agent was given
        told["answer"] = str(answer)
        for path in ("/api/v1/agents/guest/traces/1", "/api/v1/quarantine", "/metrics"):
            found = await client.get(path)
            assert found.status_code == 200, (path, found.text)
            told[path] = found.text
    assert '"about"' in told["/api/v1/agents/guest/traces/1"]
    told |= {"log": caplog.text, "metrics": prometheus_text()}
    told |= {f"span {number}": span.to_json() for number, span in enumerate(spans.get_finished_spans())}
    assert leaks(told) == {}


def test_the_command_line_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fixed = {"store": "embedded", "bus": "embedded", "telemetry": "off", "model": "openai/gpt-4o-mini", "port": "1"}
    for name, value in (fixed | SETTINGS).items():
        monkeypatch.setenv(f"AOS_{name.upper()}", value)
    told = {}
    for words in (
        ["config", "show"],
        ["config", "show", "--json"],
        ["doctor"],
        ["doctor", "--json"],
        ["trace", "a", "1"],
    ):
        run(words)
        captured = capsys.readouterr()
        told[" ".join(words)] = captured.out + captured.err
    assert "********" in told["config show"]
    assert leaks(told) == {}
