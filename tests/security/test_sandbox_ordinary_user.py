"""The cage of a user without any rights: where the tests run as root, another process runs these programs as nobody."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import SandboxUnavailable
from tests.cages import skip_without_sandbox
from tests.security.escapes import CASES

ROOT = Path(__file__).parents[2]
USER = 65_533
CHOSEN = [
    "system files",
    "another tenant's files",
    "inherited descriptors",
    "host site packages",
    "changing the standard library",
    "writing outside of scratch",
    "removing everything",
    "a service on the host's loopback",
    "abstract unix sockets of the host",
    "fork bomb",
    "signals to the outside",
    "/proc",
    "mounts",
    "namespaces",
    "becoming somebody else",
    "capabilities",
    "memory",
    "an hour's sleep",
]
PROGRAM = """
import asyncio, json, os, sys
sys.path.insert(0, {root!r})
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from tests.security.escapes import CASES, MEMORY_BYTES, NEIGHBOUR, PRELUDE

async def one(sandbox, case, two):
    inputs = {{"file": "/none", "pid": os.getpid(), "parent": os.getppid(), "port": 9, "abstract": "x"}}
    inputs["site_packages"] = [path for path in sys.path if path.endswith("-packages")]
    async with two:
        options = {{"timeout_seconds": 8, "memory_bytes_max": MEMORY_BYTES, **case.options}}
        attack = await sandbox.run(PRELUDE + case.attack, inputs=inputs, **options)
        legitimate = await sandbox.run(PRELUDE + case.legitimate, inputs=inputs, memory_bytes_max=MEMORY_BYTES)
    contained = case.contained(attack)
    return [case.name, contained or repr(attack), legitimate.result == case.expected or repr(legitimate)]

async def main():
    sandbox, two = LocalSandbox(), asyncio.Semaphore(2)
    await sandbox.check()
    neighbour = asyncio.create_task(sandbox.run(NEIGHBOUR))
    told = await asyncio.gather(*(one(sandbox, case, two) for case in CASES if case.name in {chosen!r}))
    await neighbour
    print(json.dumps({{"user": os.getuid(), "told": told}}))

asyncio.run(main())
"""


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, user=USER, group=USER, extra_groups=[], cwd="/", capture_output=True, text=True, timeout=120
    )


def interpreter_of_nobody() -> str | None:
    """An interpreter that an ordinary user can start, and that can read this repository."""
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import tests.security.escapes"
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}", "/usr/bin/python3"):
        try:
            if as_nobody(candidate, "-c", program).returncode == 0:
                return candidate
        except OSError:
            continue
    return None


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("the other tests run as an ordinary user already, or there is no sandbox")
    interpreter = interpreter_of_nobody()
    if interpreter is None:
        pytest.skip("no Python here that an ordinary user could start")
    program = textwrap.dedent(PROGRAM).format(root=str(ROOT), chosen=CHOSEN)
    ran = as_nobody(interpreter, "-c", program)
    if "SandboxUnavailable" in ran.stderr:
        skip_without_sandbox(SandboxUnavailable(ran.stderr.splitlines()[-1]))
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def test_it_was_an_ordinary_user_with_all_chosen_programs(told: dict[str, Any]) -> None:
    assert told["user"] == USER
    assert sorted(name for name, *_ in told["told"]) == sorted(CHOSEN)
    assert {case.name for case in CASES} >= set(CHOSEN)


def test_contained(told: dict[str, Any]) -> None:
    assert [(name, contained) for name, contained, _ in told["told"] if contained is not True] == []


def test_legitimate_programs_succeed(told: dict[str, Any]) -> None:
    assert [(name, succeeded) for name, _, succeeded in told["told"] if succeeded is not True] == []
