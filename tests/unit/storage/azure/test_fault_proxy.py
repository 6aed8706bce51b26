"""Azure Storage behind a bad network: suites that run on the emulator pass unchanged, and a system loses nothing.

`scripts/azurite-faults` runs more of them, at one and at five in a hundred.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from tests.emulator import Emulator, emulator
from tests.fault_proxy import Fault, FaultProxy

ROOT = Path(__file__).parents[4]
KERNEL = "tests/unit/storage/azure/test_kernel.py"
AGENTS, EVENTS = 4, 40


class Tally(BaseAgent):
    """Keeps what it was told, and tells a hearer."""

    name = "tally"

    async def on_event(self, event: Event, context: Context) -> Any:
        context.state.setdefault("seen", []).append(event.data)
        await context.send("hearer", event.id)
        return len(context.state["seen"])


class Hearer(BaseAgent):
    """Keeps what it heard."""

    name = "hearer"

    async def on_event(self, event: Event, context: Context) -> None:
        context.state.setdefault("heard", []).append(event.data)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    proxy = FaultProxy(0.0)
    yield proxy
    proxy.close()


def behind(proxy: FaultProxy) -> str:
    plain = emulator()
    return Emulator(*(proxy.before(url) for url in (plain.blob, plain.queue, plain.table))).connection_string


async def test_a_system_on_tables_and_a_queue_handles_everything_once(proxy: FaultProxy, tmp_path: Path) -> None:
    tenant = f"t{tmp_path.name}"[-20:].replace("_", "-")
    config = AOSConfig(data_dir=tmp_path, storage_connection_string=behind(proxy), tenant=tenant)
    async with AgentOperatingSystem(config) as aos:
        for agent in (Tally, Hearer):
            await aos.register_agent(agent)
        aos.start()
        proxy.share = 0.05
        tallies = [AgentId("tally", f"{number}", tenant) for number in range(AGENTS)]
        events = [Event(type="t", source="/s", id=f"{n}", data=n).to(tallies[n % AGENTS]) for n in range(EVENTS)]
        asyncio.get_running_loop().call_later(0.5, proxy.goes_dark)
        results = await asyncio.gather(*(aos.process_event(event, 60.0) for event in events))
        assert sorted(results) == sorted([*range(1, EVENTS // AGENTS + 1)] * AGENTS)
        heard = await until_heard(aos, AgentId("hearer", "", tenant))
        assert sorted(heard, key=int) == [event.id for event in events]
        proxy.share = 0.0
        for number, tally in enumerate(tallies):
            state = await aos.context_server(tally).load_state()
            assert sorted(state["seen"]) == list(range(number, EVENTS, AGENTS))
    assert proxy.met["blackout"] >= 1
    assert proxy.met.total() > proxy.met["nothing"]


async def until_heard(aos: AgentOperatingSystem, hearer: AgentId) -> list[str]:
    async with asyncio.timeout(60):
        while True:  # what is waited for happens in a service
            state = await aos.context_server(hearer).load_state() or {}
            if len(state.get("heard", ())) >= EVENTS:
                return list(state["heard"])
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("share", ["0.01", "0.05"])
def test_the_kernels_suite_passes_unchanged(share: str) -> None:
    counting = "test_a_warm_event_through_the_kernel_is_one_transaction_and_no_read"  # and what is repeated is two
    options = ["-q", "-s", "-p", "no:cacheprovider", "-k", f"not {counting}"]
    command = [sys.executable, "-m", "pytest", *options, KERNEL]
    environment = {**os.environ, "AOS_TEST_STORAGE_FAULTS": share}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:]
    (met,) = re.findall(r"faults met: (\{.*\})", done.stdout)
    assert sum(count for name, count in eval(met).items() if name != "nothing") > 0


async def test_each_fault_is_what_it_says(proxy: FaultProxy, tmp_path: Path) -> None:
    """So that a suite that passes has met it: a value is written through each of them, and once."""
    from AgentOperatingSystem.storage import AzureTableStorage

    async with AzureTableStorage(behind(proxy), table=f"t{os.getpid()}") as tables:
        await tables.save("warm", 0)
        for fault in Fault:
            waiting = [fault]
            proxy.chooses = lambda waiting=waiting: waiting.pop() if waiting else None
            before = proxy.met[fault.name]
            await tables.save(fault.name, fault.value)
            assert proxy.met[fault.name] == before + 1
            assert await tables.load(fault.name) == fault.value
