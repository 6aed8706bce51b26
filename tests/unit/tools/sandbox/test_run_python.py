"""`run_python`: what the model is told of its program, which files come back, and where nothing is run."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from AgentOperatingSystem.errors import (
    InvalidInput,
    Overloaded,
    Quarantine,
    SandboxUnavailable,
    ServiceError,
    Unavailable,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.records import Effect, ToolResult
from AgentOperatingSystem.tools.sandbox import running
from AgentOperatingSystem.tools.sandbox.harness import FILES_BYTES_MAX
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from AgentOperatingSystem.tools.sandbox.records import ExitReason, Sandbox, SandboxResult
from AgentOperatingSystem.tools.sandbox.run_python import RunPython, clipped


class Refusing:
    """A sandbox that cannot be had."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def run(self, code: str, **limits: Any) -> SandboxResult:
        raise self._error


async def called(tool: RunPython, code: str) -> ToolResult:
    """A model's call, as a mind makes it."""
    result = await tool.call({"code": code})
    tool.noted({"code": code}, result)
    return result


def test_how_a_model_sees_it() -> None:
    record = RunPython().record
    assert (record.name, record.effect) == ("run_python", Effect.PURE)
    assert record.parameters["required"] == ["code"]


async def test_what_was_printed_the_result_and_the_files(sandbox: LocalSandbox) -> None:
    tool = RunPython(sandbox)
    code = """
import os
print("hello")
os.mkdir("sub")
open("sub/a.txt", "w").write("ä")
open("b.bin", "wb").write(bytes([255, 0]))
result = {"n": 1}
"""
    assert json.loads((await called(tool, code)).content) == {
        "printed": "hello\n",
        "result": {"n": 1},
        "files": {"b.bin": 2, "sub/a.txt": 2},
    }
    (run,) = tool.runs
    assert run.ok
    assert run.code == code
    assert [(file.name, file.content()) for file in run.files] == [("b.bin", b"\xff\x00"), ("sub/a.txt", "ä".encode())]


async def test_a_program_is_the_main_module_and_sees_nothing_of_ours(sandbox: LocalSandbox) -> None:
    told = await RunPython(sandbox)(
        "import os\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\n"
        "result = [__name__, A().x, sorted(n for n in globals() if not n.startswith('__')), os.listdir('.')]"
    )
    assert told["result"] == ["__main__", 1, ["A", "dataclass", "os"], []]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\n1 / x - 1 / (x - 1)", 'File "<program>", line 2, in <module>\n    1 / x - 1 / (x - 1)'),
        ("print('a'", "SyntaxError"),
        ("import sys; sys.exit('no good')", "no good"),
        ("result = {1, 2}", "not JSON"),
        ("print('out'); raise SystemExit(3)", "out"),
    ],
)
async def test_a_program_that_fails_is_an_error_for_the_model(sandbox: LocalSandbox, code: str, said: str) -> None:
    tool = RunPython(sandbox)
    told = await called(tool, code)
    assert told.is_error
    assert said in told.content
    assert "_harness" not in told.content
    assert [run.reason for run in tool.runs] == [ExitReason.ERROR]


async def test_an_exit_without_an_error_is_a_success(sandbox: LocalSandbox) -> None:
    told = await RunPython(sandbox)("import sys; open('f', 'w').write('x'); result = 1; sys.exit(0)")
    assert told == {"printed": "", "result": 1, "files": {"f": 1}}


async def test_it_is_stopped_at_its_limits(sandbox: LocalSandbox) -> None:
    tool = RunPython(sandbox, timeout_seconds=0.5)
    assert "time limit" in (await called(tool, "while True: pass")).content
    assert "too much memory" in (await called(tool, "x = bytearray(2 << 30)")).content
    assert "printed too much" in (await called(tool, "print('x' * 1000_000)")).content
    assert [run.ok for run in tool.runs] == [False] * 3


async def test_a_large_file_is_named_and_not_brought_back(sandbox: LocalSandbox) -> None:
    tool = RunPython(sandbox)
    await called(tool, f"open('large', 'w').write('x' * {FILES_BYTES_MAX + 1}); open('z', 'w').write('small')")
    assert [(file.name, file.size_bytes, file.text) for file in tool.runs[0].files] == [
        ("large", FILES_BYTES_MAX + 1, None),
        ("z", 5, "small"),
    ]
    assert tool.runs[0].files[0].content() is None


class Saying:
    """A sandbox whose program has answered something of its own in place of the harness."""

    def __init__(self, result: Any) -> None:
        self._result = result

    async def run(self, code: str, **limits: Any) -> SandboxResult:
        return SandboxResult(reason=ExitReason.DONE, result=self._result)


@pytest.mark.parametrize("result", [None, 7, {"result": 1}, {"result": 1, "files": [{"name": 1}]}])
async def test_an_answer_that_is_not_the_harness_s_is_an_error(result: Any) -> None:
    assert (await RunPython(Saying(result)).call({"code": ""})).is_error


async def test_no_run_is_left(sandbox: LocalSandbox) -> None:
    tool = RunPython(sandbox, runs_max=1)
    await called(tool, "print(1)")
    with pytest.raises(InvalidInput, match="no run is left: 1 programs"):
        await tool("print(2)")
    assert len(tool.runs) == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (SandboxUnavailable("no namespaces here"), Quarantine),
        (Overloaded("the pool is full", 7.0), Unavailable),
        (ServiceError("status 500"), Unavailable),
    ],
)
async def test_where_nothing_can_run_the_kernel_is_told_and_not_the_model(
    error: Exception, raised: type[Exception]
) -> None:
    tool = RunPython(Refusing(error))
    with pytest.raises(raised, match=str(error)):
        await tool.call({"code": "print(1)"})
    assert tool.runs == []


class Recording:
    """Sandboxes of a system, which remember whose programs they ran."""

    def __init__(self, sandbox: Sandbox, error: Exception | None = None) -> None:
        self.opened: list[tuple[AgentId, str]] = []
        self._sandbox = sandbox
        self._error = error

    async def check(self) -> None:
        if self._error is not None:
            raise self._error

    @asynccontextmanager
    async def open(self, agent: AgentId, run: str) -> AsyncIterator[Sandbox]:
        self.opened.append((agent, run))
        yield self._sandbox


async def test_the_running_system_s_sandboxes_are_used_and_each_program_is_a_run_of_its_own() -> None:
    made, agent = Recording(Saying({"result": 1, "files": []})), AgentId("coder", "k")
    running.use(made)
    try:
        tool = RunPython(agent=agent)
        await tool.check()
        await tool("a")
        await tool("b")
    finally:
        running.release(made)
    assert [opened[0] for opened in made.opened] == [agent, agent]
    assert len({run for _, run in made.opened}) == 2
    assert running.sandboxes() is not made


async def test_the_check_says_before_anything_runs_that_nothing_will() -> None:
    made = Recording(Saying(None), SandboxUnavailable("no namespaces here"))
    running.use(made)
    try:
        with pytest.raises(Quarantine, match="no namespaces here"):
            await RunPython().check()
    finally:
        running.release(made)


def test_a_long_text_loses_its_middle() -> None:
    assert clipped("abc", 3) == "abc"
    assert clipped("a" * 10 + "b" * 10, 4) == "aa\n… 16 characters …\nbb"
