"""The sandbox on this machine: what goes in and comes out, what is refused, and what is left behind: nothing."""

import asyncio
import os
import re
import secrets
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, SandboxUnavailable, TooLarge
from AgentOperatingSystem.tools.sandbox import self_test
from AgentOperatingSystem.tools.sandbox.cage import control_groups
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from AgentOperatingSystem.tools.sandbox.records import ExitReason, SandboxResult
from tests.unit.tools.sandbox.conftest import usable
from tests.waiting import until

ROOT = Path(__file__).parents[4]
LAG_SECONDS_MAX = 0.1


async def test_inputs_output_and_result(sandbox: LocalSandbox) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); result = {'sum': sum(inputs)}"
    told = await sandbox.run(code, inputs=[1, 2, 3])
    assert told.ok
    assert (told.stdout, told.stderr, told.result, told.exit_code) == ("out\n", "err\n", {"sum": 6}, 0)
    assert 0 < told.duration_seconds < 10


async def test_an_exception_is_an_answer_with_the_program_s_own_lines(sandbox: LocalSandbox) -> None:
    told = await sandbox.run("def half(x):\n    return x / 0\n\nhalf(1)")
    assert told.reason is ExitReason.ERROR
    assert told.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert "return x / 0" in told.stderr
    assert told.stderr.rstrip().endswith("ZeroDivisionError: division by zero")
    assert str(ROOT) not in told.stderr


async def test_code_that_does_not_compile(sandbox: LocalSandbox) -> None:
    told = await sandbox.run("print('a'")
    assert told.reason is ExitReason.ERROR
    assert "SyntaxError" in told.stderr


@pytest.mark.parametrize(("code", "exit_code"), [("raise SystemExit(0)", 0), ("import sys; sys.exit(9)", 9)])
async def test_exit_codes(sandbox: LocalSandbox, code: str, exit_code: int) -> None:
    told = await sandbox.run(code)
    assert told.exit_code == exit_code
    assert told.ok == (exit_code == 0)


async def test_output_before_the_deadline_is_kept(sandbox: LocalSandbox) -> None:
    told = await sandbox.run("print('so far'); import time; time.sleep(60)", timeout_seconds=0.5)
    assert (told.reason, told.stdout, told.exit_code) == (ExitReason.DEADLINE, "so far\n", -9)
    assert 0.5 <= told.duration_seconds < 1.5


async def test_output_up_to_its_limit_is_kept(sandbox: LocalSandbox) -> None:
    told = await sandbox.run("print('x' * 100, end='')", output_bytes_max=100)
    assert (told.ok, told.stdout) == (True, "x" * 100)
    told = await sandbox.run("print('x' * 101, end='')", output_bytes_max=100)
    assert (told.reason, told.stdout) == (ExitReason.OUTPUT, "x" * 100)


async def test_a_granted_package_can_be_imported(package: Path) -> None:
    sandbox = await usable(LocalSandbox(packages=[package]))
    told = await sandbox.run("import granted, os; result = [granted.value, os.listdir('/packages')]")
    assert told.result == ["from the host", ["granted"]]
    told = await sandbox.run("open('/packages/granted/__init__.py', 'a')")
    assert "Permission denied" in told.stderr or "Read-only file system" in told.stderr


async def test_packages_that_are_not_there_or_share_a_name(tmp_path: Path, package: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere is not there"):
        await LocalSandbox(packages=[tmp_path / "nowhere"]).check()
    with pytest.raises(ConfigurationError, match="two have the same name"):
        await LocalSandbox(packages=[package, package]).check()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"timeout_seconds": float("inf")}, "timeout_seconds is inf"),
        ({"memory_bytes_max": 1}, "memory_bytes_max is 1"),
        ({"output_bytes_max": -1}, "output_bytes_max is -1"),
        ({"inputs": object()}, "inputs cannot be written as JSON"),
        ({"inputs": float("nan")}, "inputs cannot be written as JSON"),
    ],
)
async def test_requests_that_make_no_sense(sandbox: LocalSandbox, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        await sandbox.run("", **arguments)


async def test_a_program_that_is_too_large(sandbox: LocalSandbox) -> None:
    with pytest.raises(TooLarge, match="the limit is"):
        await sandbox.run("", inputs="x" * (9 << 20))


async def test_the_event_loop_goes_on(sandbox: LocalSandbox) -> None:
    lags = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.005)
            lags.append(time.monotonic() - before - 0.005)

    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(sandbox.run("sum(range(1_000_000))") for _ in range(2)))
    ticking.cancel()
    assert len(lags) > 5
    assert sorted(lags)[-2] < LAG_SECONDS_MAX


async def test_no_more_cages_than_allowed_at_the_same_time() -> None:
    sandbox = await usable(LocalSandbox(concurrent_max=1))
    started = time.monotonic()
    told = await asyncio.gather(*(sandbox.run("import time; time.sleep(0.3)", timeout_seconds=1) for _ in range(3)))
    assert all(each.ok for each in told)
    assert time.monotonic() - started > 0.9


def processes_with(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                memory = (entry / "comm").read_text()
            except OSError:
                continue
            if mark in memory:
                found.append(int(entry.name))
    return found


def named(mark: str) -> str:
    """A program that gives its process this name and stays."""
    return f"import ctypes, time; ctypes.CDLL(None).prctl(15, b'{mark}'); time.sleep(60)"


def own_groups() -> list[str]:
    parents = control_groups.parents(Path("/proc/self/cgroup").read_text(), control_groups.ROOT)
    own = f"{control_groups.PREFIX}{os.getpid()}-"
    return [name for parent in parents for name in os.listdir(parent) if name.startswith(own)]


async def test_a_cancelled_run_leaves_no_process_and_no_control_group(sandbox: LocalSandbox) -> None:
    mark = "aos" + secrets.token_hex(4)
    task = asyncio.create_task(sandbox.run(named(mark), timeout_seconds=60))

    async def found() -> list[int]:
        return processes_with(mark)

    await until(found, bool)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(found, lambda left: not left, seconds=2)
    assert own_groups() == []


async def test_runs_that_are_cancelled_at_any_moment_all_end(sandbox: LocalSandbox) -> None:
    tasks = [asyncio.create_task(sandbox.run("while True: print('x' * 999)", timeout_seconds=9)) for _ in range(8)]
    for number, task in enumerate(tasks):
        await asyncio.sleep(0.004 * number)
        task.cancel()
    done, pending = await asyncio.wait(tasks, timeout=8)
    assert not pending
    assert all(task.cancelled() for task in done)


async def test_a_host_that_is_killed_takes_its_cages_with_it(sandbox: LocalSandbox) -> None:
    mark = "aos" + secrets.token_hex(4)
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", HOST.format(root=str(ROOT), code=named(mark)))

    async def found() -> list[int]:
        return processes_with(mark)

    await until(found, bool, seconds=20)
    host.kill()
    await host.wait()
    await until(found, lambda left: not left, seconds=2)


HOST = """
import asyncio, sys
sys.path.insert(0, {root!r})
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
asyncio.run(LocalSandbox().run({code!r}, timeout_seconds=60))
"""

WITHOUT_NAMESPACES = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from AgentOperatingSystem.errors import SandboxUnavailable
from AgentOperatingSystem.tools.sandbox.cage import identity, libc
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
uid, gid = os.geteuid(), os.getegid()
libc.unshare(libc.CLONE_NEWUSER)
identity._map_ids(os.open("/proc/self", os.O_PATH), (1000, uid), (1000, gid))
open("/proc/sys/user/max_user_namespaces", "w").write("0")
libc.drop_capabilities()
try:
    print(asyncio.run(LocalSandbox().run("open({leak!r}, 'w')")))
except SandboxUnavailable as error:
    print("refused:", error)
"""


@pytest.mark.usefixtures("sandbox")
def test_where_namespaces_are_not_allowed_nothing_is_run(tmp_path: Path) -> None:
    leak = str(tmp_path / "leak")
    program = textwrap.dedent(WITHOUT_NAMESPACES).format(root=str(ROOT), leak=leak)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert re.match(r"refused: .*(unshare|cannot isolate).*docs/sandbox\.md", ran.stdout), ran.stdout + ran.stderr
    assert not os.path.exists(leak)


async def test_other_systems_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SandboxUnavailable, match="needs Linux, and this is darwin"):
        await LocalSandbox().run("")


async def test_without_an_interpreter_to_start_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(SandboxUnavailable, match=r"sys\.executable is empty"):
        await LocalSandbox().run("")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxUnavailable, match="cannot be started"):
        await LocalSandbox().run("")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (SandboxResult(reason=ExitReason.ERROR, stderr="ImportError: libffi"), "ended with error: ImportError: libffi"),
        (SandboxResult(reason=ExitReason.LOST), "ended with lost"),
        (SandboxResult(reason=ExitReason.DONE, result={"open": ["proc"], "sum": 4950}), "out of its cage: proc"),
        (SandboxResult(reason=ExitReason.DONE, result={"open": [], "sum": 0}), "out of its cage"),
    ],
)
def test_a_self_test_that_fails_means_no_sandbox(told: SandboxResult, message: str) -> None:
    with pytest.raises(SandboxUnavailable, match=message):
        self_test.judge(told)
