"""A key in a vault is rotated under load, the vault refuses and goes away: nothing is lost, nothing is told."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.observability import logs
from AgentOperatingSystem.observability.metrics import prometheus_text
from tests.key_vault import Identity, Vault, key_vault
from tests.loopback import Answer, Asked, serving

FIRST, SECOND, EVENTS = "canary-key-number-one", "canary-key-number-two", 60


class Provider:
    """An OpenAI-compatible server that lets one key in, and repeats in its refusal the key that it was given."""

    def __init__(self) -> None:
        self.key = FIRST
        self.refusals = 0

    async def __call__(self, asked: Asked) -> Answer:
        await asyncio.sleep(0.01)
        given = asked.headers.get("authorization", "")
        if given != f"Bearer {self.key}":
            self.refusals += 1
            return Answer(401, {"Content-Type": "application/json"}, json.dumps({"error": {"message": given}}).encode())
        message = {"role": "assistant", "content": f"You said: {json.loads(asked.body)['messages'][-1]['content']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        body = {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


class Clerk(PerpetualAgent):
    """Answers by its model."""

    def __init__(self) -> None:
        super().__init__(system_message="I am clerk.")


def config_of(vault: Vault, url: str, folder: Path) -> AOSConfig:
    return AOSConfig(
        **vault.settings(),
        config_dir=folder,
        data_dir=folder / "data",
        model="compatible/m",
        compatible_base_url=f"{url}/v1",
        compatible_api_key="keyvault://model-key",
        backoff_base_seconds=0.05,
        backoff_max_seconds=0.2,
    )


async def test_a_key_is_rotated_under_load_and_nobody_notices(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    provider = Provider()
    async with key_vault(tmp_path) as vault, serving(provider) as server:
        vault.secrets["model-key"] = FIRST
        system = AgentOperatingSystem(config_of(vault, server.url, tmp_path))
        system.auth.identity = Identity()
        caplog.handler.addFilter(logs.Redaction())
        with caplog.at_level(logging.INFO, logger="AgentOperatingSystem"):
            async with system:
                await system.register_agent(Clerk)
                sent = [asyncio.create_task(said(system, number)) for number in range(EVENTS)]
                await asyncio.sleep(0.1)
                system.auth.keeper._asked.clear()  # the start was more than five seconds ago
                vault.secrets["model-key"] = provider.key = SECOND
                answers = await asyncio.gather(*sent)
                vault.fails = 403
                await system.auth.keeper.refresh()
                assert "You said" in str(await said(system, EVENTS))
                vault.fails = 503
                await system.auth.keeper.refresh()
                assert "You said" in str(await said(system, EVENTS + 1))
    assert [f"number {number}" in str(each) for number, each in enumerate(answers)] == [True] * EVENTS
    assert provider.refusals > 0
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    shown = f"{caplog.text} {answers} {prometheus_text()} {system.config!r} {list(system.config.describe())}"
    assert b"canary" not in kept
    assert "canary" not in shown


async def said(system: AgentOperatingSystem, number: int) -> object:
    """What the clerk answers to an event."""
    event = {"agent": f"clerk/{number % 8}", "type": "message", "id": str(number), "data": f"number {number}"}
    return await system.process_event(event, timeout_seconds=30)
