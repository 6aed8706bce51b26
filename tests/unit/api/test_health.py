"""Whether the host lives and can work."""

import asyncio
import re
import sys
from pathlib import Path

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.api import create_app, health
from tests.unit.api.conftest import HEADERS, TOKEN


async def test_ready_means_that_the_store_was_written_and_read(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient
) -> None:
    before = aos.engine.commits
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    assert answer.json()["store_milliseconds"] > 0
    assert aos.engine.commits == before + 1


async def test_a_store_that_is_gone_is_not_ready(tmp_path: Path) -> None:
    aos = await AgentOperatingSystem(AOSConfig(data_dir=tmp_path)).initialize()
    transport = httpx2.ASGITransport(app=create_app(aos, token=TOKEN))
    await aos.close()
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=HEADERS) as client:
        answer = await client.get("/health/ready")
        assert (await client.get("/health/live")).status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
    assert "closed" in answer.json()["detail"]


async def test_a_store_that_does_not_answer_is_not_ready(
    aos: AgentOperatingSystem, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "READY_SECONDS_MAX", 0.2)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import sqlite3; c = sqlite3.connect({str(aos.engine.path)!r}, isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); input()",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert other.stdout is not None
    await other.stdout.readline()
    answer = await client.get("/health/ready")
    await other.communicate(b"\n")
    assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
    assert "within 0.2 s" in answer.json()["detail"]


async def test_the_metrics_are_prometheus_text(client: httpx2.AsyncClient) -> None:
    await client.post("/api/v1/agents/counter/events", params={"wait": 10}, json={})
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(r"^agent_events_processed_total [1-9]", answer.text, re.MULTILINE)
