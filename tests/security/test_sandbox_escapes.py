"""Programs that try to get out of the cage, each beside a legitimate one that gets its work done.

All run once, two at a time, against one outside: a secret in the environment, a file, a process, a TCP port, a unix
socket and an abstract one, which must all be untouched afterwards.
"""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import SandboxUnavailable
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from AgentOperatingSystem.tools.sandbox.records import SandboxResult
from tests.cages import skip_without_sandbox
from tests.security.escapes import CASES, MEMORY_BYTES, NEIGHBOUR, PRELUDE, Case

LATE_SECONDS_MAX = 1.0
SECRET = "CANARY_VALUE_" + secrets.token_hex(8)


@dataclass
class Outside:
    """What lies around the cage, and must not be reached."""

    file: Path
    victim: subprocess.Popen[bytes]
    listeners: list[socket.socket]
    inputs: dict[str, Any]

    def reached(self) -> list[str]:
        """What a program got hold of."""
        found = [] if self.victim.poll() is None else ["the process"]
        if self.file.read_text() != SECRET or len(list(self.file.parent.iterdir())) != 2:
            found.append("the folder")
        return found + [f"listener {number}" for number, each in enumerate(self.listeners) if _was_called(each)]


@dataclass
class Told:
    """What came of the programs of one case."""

    attack: SandboxResult
    legitimate: SandboxResult
    late_seconds: float
    outside: list[str] = field(default_factory=list)


def _was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    folder = tmp_path_factory.mktemp("outside")
    file = folder / "secret.txt"
    file.write_text(SECRET)
    name = "aos-" + secrets.token_hex(8)
    listeners = [socket.socket(), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
    addresses: list[Any] = [("127.0.0.1", 0), f"\0{name}", str(folder / "socket")]
    for listener, address in zip(listeners, addresses, strict=True):
        listener.bind(address)
        listener.listen()
        listener.setblocking(False)
    victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    inputs = {
        "file": str(file),
        "pid": victim.pid,
        "parent": os.getpid(),
        "port": listeners[0].getsockname()[1],
        "abstract": name,
        "socket": str(folder / "socket"),
        "site_packages": [sysconfig.get_path("purelib"), f"{sysconfig.get_path('stdlib')}/site-packages", os.getcwd()],
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AOS_CANARY", SECRET)
        yield Outside(file, victim, listeners, inputs)
    victim.kill()
    victim.wait()
    for listener in listeners:
        listener.close()


async def _timed(sandbox: LocalSandbox, code: str, inputs: Any, **options: Any) -> tuple[SandboxResult, float]:
    options = {"timeout_seconds": 8, "memory_bytes_max": MEMORY_BYTES, **options}
    started = time.monotonic()
    told = await sandbox.run(PRELUDE + code, inputs=inputs, **options)
    return told, time.monotonic() - started - options["timeout_seconds"]


async def _case(sandbox: LocalSandbox, case: Case, outside: Outside, two: asyncio.Semaphore) -> Told:
    async with two:
        attack, late = await _timed(sandbox, case.attack, outside.inputs, **case.options)
        reached = outside.reached()
        legitimate, _ = await _timed(sandbox, case.legitimate, outside.inputs)
        return Told(attack, legitimate, late, reached)


async def _all(outside: Outside) -> dict[str, Told]:
    two = asyncio.Semaphore(2)
    sandbox = LocalSandbox()
    await sandbox.check()
    neighbour = asyncio.create_task(sandbox.run(NEIGHBOUR))
    told = await asyncio.gather(*(_case(sandbox, case, outside, two) for case in CASES))
    assert (await neighbour).ok
    return {case.name: each for case, each in zip(CASES, told, strict=True)}


@pytest.fixture(scope="module")
def told(outside: Outside) -> dict[str, Told]:
    try:
        return asyncio.run(_all(outside))
    except SandboxUnavailable as error:
        skip_without_sandbox(error)


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contained(case: Case, told: dict[str, Told]) -> None:
    each = told[case.name]
    assert case.contained(each.attack), each.attack
    assert SECRET not in repr(each.attack)
    assert each.outside == []
    assert each.late_seconds <= LATE_SECONDS_MAX


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_legitimate_program_of_its_kind_succeeds(case: Case, told: dict[str, Told]) -> None:
    each = told[case.name].legitimate
    assert each.ok, each
    assert each.result == case.expected
