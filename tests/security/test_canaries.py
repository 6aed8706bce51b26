"""Secrets of the configuration in event data, in errors of handlers and of tools: none of them is told or kept."""

import logging
from pathlib import Path

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.errors import Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.observability import logs
from AgentOperatingSystem.observability.metrics import prometheus_text

KEYS = {
    "openai_api_key": "sk-canary-openai-0123456789",
    "groq_api_key": "canary-groq-0123456789",
    "search_api_key": "canary-search-0123456789",
    "github_webhook_secret": "canary-github-0123456789",
    "session_pool_key": "canary-pool-0123456789-0123456789-0123456789",
    "secrets_file_key": "canary-file-0123456789",
}
TOKEN = "canary-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Leaky(BaseAgent):
    """Fails with whatever it is told, or fails to be an agent at all."""

    async def on_event(self, event: Event, context: Context) -> str:
        logging.getLogger(__name__).warning("asked with %s", event.data)
        if event.type == "terminal":
            raise Terminal(f"cannot reach https://desk.blob.core.windows.net/c/b?sig={event.data}")
        raise RuntimeError(f"connecting with AccountKey={event.data} failed")


@pytest.mark.parametrize("kind", ["terminal", "crash"])
async def test_no_canary_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    config = AOSConfig(config_dir=tmp_path, data_dir=tmp_path / "d", token=TOKEN, attempts_max=1, **KEYS)
    caplog.handler.addFilter(logs.Redaction())
    told: list[str] = [repr(config), str(list(config.describe()))]
    async with AgentOperatingSystem(config) as system:
        await system.register_agent(Leaky)
        door = httpx2.ASGITransport(create_app(system, token=TOKEN))
        async with httpx2.AsyncClient(transport=door, base_url="http://localhost", headers=HEADERS) as client:
            for number, secret in enumerate((*KEYS.values(), TOKEN)):
                event = {"type": kind, "id": str(number), "data": secret}
                sent = await client.post(f"/api/v1/agents/leaky/events?key={number}&wait=0.5", json=event)
                told.append(sent.text)
            told += [(await client.get(path)).text for path in ("/api/v1/quarantine", "/api/v1/agents", "/metrics")]
            wrong = await client.get("/api/v1/agents", headers={"Authorization": f"Bearer {TOKEN}x"})
            told.append(wrong.text)
    told += [caplog.text, prometheus_text()]
    leaks = [each[max(0, each.index("canary-") - 60) :][:160] for each in told if "canary-" in each]
    assert leaks == []
