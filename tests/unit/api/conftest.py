"""A system on a folder of its own, and a client that talks to its doors without a network."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.api import create_app
from tests import doors_app

TOKEN = "a-token-for-tests"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
SMALL = {"event_bytes_max": 4096, "event_depth_max": 8, "backoff_base_seconds": 0.01}


@pytest.fixture
def settings() -> dict[str, object]:
    """What differs from the defaults; a test module may say more."""
    return {}


@pytest.fixture
async def aos(tmp_path: Path, settings: dict[str, object]) -> AsyncIterator[AgentOperatingSystem]:
    doors_app.Gated.gate = asyncio.Event()
    config = AOSConfig(data_dir=tmp_path, **(SMALL | settings))
    async with AgentOperatingSystem(config) as system:
        await system.register_app(doors_app)
        system.start()
        yield system
        doors_app.Gated.gate.set()


@pytest.fixture
def app(aos: AgentOperatingSystem) -> FastAPI:
    return create_app(aos, token=TOKEN)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=HEADERS) as made:
        yield made
