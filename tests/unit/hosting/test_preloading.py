"""What a host loads for its agents before their first event, told by the list of modules of a process of its own."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from AgentOperatingSystem import {thinks}, BaseAgent
from AgentOperatingSystem.hosting import preloading
from AgentOperatingSystem.orchestration.registry import Registry

class Own({base}):
    name = "own"

async def main():
    registry = Registry()
    registry.register(Own)
    assert not any(name.startswith("autogen") for name in sys.modules)
    loading, served = preloading.begin(registry.types(), "{model}"), 0
    while not loading.done():
        served += 1
        await asyncio.sleep(0.001)
    await loading
    print("autogen_agentchat" in sys.modules, "AgentOperatingSystem.agents.autogen" in sys.modules, served)

asyncio.run(main())
"""


def ran(thinks: str, base: str, model: str = "openai/gpt-4o-mini") -> tuple[list[str], int]:
    program = PROGRAM.format(thinks=thinks, base=base, model=model)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    *found, served = done.stdout.split()
    return found, int(served)


@pytest.mark.parametrize("thinks", ["PerpetualAgent", "AgentTeam"])
def test_an_agent_that_thinks_has_autogen_before_its_first_event_and_others_are_served_meanwhile(thinks: str) -> None:
    found, served = ran(thinks, thinks)
    assert found == ["True", "True"]
    assert served >= 10


def test_who_does_not_think_needs_none() -> None:
    assert ran("PerpetualAgent", "BaseAgent")[0] == ["False", "False"]


def test_without_a_model_nobody_needs_it() -> None:
    assert ran("PerpetualAgent", "PerpetualAgent", model="offline")[0] == ["False", "False"]


def test_what_cannot_be_loaded_harms_nobody() -> None:
    program = PROGRAM.replace('name = "own"', 'name = "own"; preloads = ("no_such_module",)')
    program = program.format(thinks="PerpetualAgent", base="BaseAgent", model="openai/gpt-4o-mini")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["False", "False"])
    assert "no_such_module, which an agent needs, cannot be loaded" in done.stderr
