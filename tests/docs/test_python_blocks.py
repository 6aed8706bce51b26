"""Every Python block of README and docs runs; the agents that it defines can be registered, and its checks hold.

A block is a program, or continues the one before it (`<!-- continues -->`). Programs run in an empty folder; then a
system with their agents and routes is there for their checks.
"""

import ast
import runpy
import textwrap
from inspect import isawaitable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent
from tests.docs.markdown import Block, blocks_in

TIMEOUT_SECONDS = 20.0


def programs() -> list[list[Block]]:
    """Blocks that belong together."""
    found: list[list[Block]] = []
    for _, blocks in groupby(blocks_in("python"), key=lambda block: block.page):
        for block in blocks:
            if "continues" in block.marks:
                found[-1].append(block)
            elif "fragment" not in block.marks:
                found.append([block])
    return found


@pytest.fixture
def names(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a program defines, once it has run; before any event loop runs, so that it may have its own."""
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text("\n".join(block.text for block in request.param))
    return runpy.run_path(str(program))


@pytest.mark.parametrize("names", programs(), indirect=True, ids=lambda program: program[0].where)
def test_a_python_block_runs(names: dict[str, Any]) -> None:
    assert names


@pytest.mark.parametrize(
    ("names", "checks"),
    [(program, [block.check for block in program if block.check]) for program in programs()],
    indirect=["names"],
    ids=[program[0].where for program in programs()],
)
async def test_what_is_said_of_a_block_holds(names: dict[str, Any], checks: list[str]) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir="checked"), routes=names.get("routes", ())) as aos:
        for agent in agents_of(names):
            await aos.register_agent(agent)
        helpers = {"aos": aos, **helpers_of(aos)}
        for check in checks:
            await run(textwrap.dedent(check), names | helpers)


def agents_of(names: dict[str, Any]) -> list[type[BaseAgent]]:
    kinds = [found for found in names.values() if isinstance(found, type)]
    return [kind for kind in kinds if issubclass(kind, BaseAgent) and kind is not BaseAgent]


def helpers_of(aos: AgentOperatingSystem) -> dict[str, Any]:
    async def tell(agent: str | None, data: Any = None, **fields: Any) -> Any:
        """The result of an event."""
        event = {"agent": agent, "type": "test", "data": data, **fields}
        return await aos.process_event(event, TIMEOUT_SECONDS)

    async def state(agent: str) -> Any:
        return await aos.context_server(agent).load_state()

    return {"tell": tell, "state": state}


async def run(source: str, names: dict[str, Any]) -> None:
    running = eval(compile(source, "check", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if isawaitable(running):
        await running


def test_a_fragment_says_why_it_is_not_run() -> None:
    fragments = [block for block in blocks_in("python") if "fragment" in block.marks]
    assert [block.where for block in fragments if not block.marks["fragment"]] == []
