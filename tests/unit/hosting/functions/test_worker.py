"""The system of a worker process: made by the first who asks, once, and made again where it could not be made."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.api import create_app
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions.triggers import Triggers
from AgentOperatingSystem.hosting.functions.worker import Worker

APP = Path(__file__).parents[3] / "doors_app.py"


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AOS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AOS_TOKEN", "a-token-for-tests")
    return monkeypatch


async def test_what_fails_to_start_is_tried_again_and_then_shared(configured: pytest.MonkeyPatch) -> None:
    worker = Worker(create_app)
    try:
        with pytest.raises(ConfigurationError, match="which agents"):
            await worker.running()
        configured.setenv("AOS_APP", str(APP))
        first, second = await asyncio.gather(worker.running(), worker.running())
        assert first is second
        assert await first.aos.process_event({"type": "t", "agent": "counter"}) == 1
    finally:
        await Worker.close_all()


async def test_an_invocation_that_is_given_up_does_not_stop_the_start(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("AOS_APP", str(APP))
    worker = Worker(create_app)
    try:
        impatient = asyncio.create_task(worker.running())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await worker.running()).aos.registry.types()
    finally:
        await Worker.close_all()


async def test_a_function_for_a_broker_that_is_not_there_says_so(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("AOS_APP", str(APP))
    triggers = Triggers(create_app)
    try:
        with pytest.raises(ConfigurationError, match="this function is for Service Bus"):
            await triggers.router(_Message())
        with pytest.raises(ConfigurationError, match="this function is for a storage queue"):
            await triggers.queue_message(_Message())
        await triggers.pulse()
    finally:
        await Worker.close_all()


class _Message:
    """As bare as the SDK may hand one over."""

    def get_body(self) -> bytes:
        return b""

    def __getattr__(self, name: str) -> Any:
        return None
