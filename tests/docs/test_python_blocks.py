"""Every Python block of README and docs runs; the agents that it defines can be registered, and its checks hold.

A block is a program, or continues the one before it (`<!-- continues -->`). Programs run in a process of their own, in
an empty folder, with warnings as errors.
"""

import subprocess
import sys
import textwrap
from itertools import groupby
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, Block, blocks_in

AFTER = '''
async def __checked():
    import ast, inspect
    from AgentOperatingSystem import AgentId, AgentOperatingSystem, AOSConfig, BaseAgent

    names = globals()
    agents = [found for found in names.values() if isinstance(found, type) and issubclass(found, BaseAgent)]
    async with AgentOperatingSystem(AOSConfig(data_dir="checked"), routes=names.get("routes", ())) as aos:
        for agent in agents:
            if agent is not BaseAgent:
                await aos.register_agent(agent)

        async def tell(agent, data=None, **fields):
            """The result of an event."""
            fields = {{"type": "test", "data": data, "timeout_seconds": 20}} | fields
            timeout_seconds = fields.pop("timeout_seconds")
            return await aos.process_event({{"agent": agent, **fields}}, timeout_seconds)

        async def state(agent):
            return await aos.context_server(agent).load_state()

        for source in {checks!r}:
            names |= {{"aos": aos, "tell": tell, "state": state}}
            running = eval(compile(source, "check", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            if inspect.isawaitable(running):
                await running


__import__("asyncio").run(__checked())
'''


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


def source_of(program: list[Block]) -> str:
    text = "\n".join(block.text for block in program)
    checks = [textwrap.dedent(block.check) for block in program if block.check]
    return text + AFTER.format(checks=checks)


@pytest.mark.parametrize("program", programs(), ids=lambda program: program[0].where)
def test_a_python_block_runs(program: list[Block], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(source_of(program))
    ran = subprocess.run(
        [sys.executable, "-W", "error", "program.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, f"{program[0].where}\n{ran.stderr}"


def test_a_fragment_says_why_it_is_not_run() -> None:
    fragments = [block for block in blocks_in("python") if "fragment" in block.marks]
    assert [block.where for block in fragments if not block.marks["fragment"]] == []
