"""The filter allows what is listed, with the listed arguments, and nothing else; the numbers are the kernel's."""

import re
from pathlib import Path

import pytest

from AgentOperatingSystem.tools.sandbox.cage import calls, seccomp
from AgentOperatingSystem.tools.sandbox.cage.seccomp import ALLOW, KILL, REFUSE, UNKNOWN
from tests.unit.tools.sandbox.bpf import asks, verdict

HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}
DEFINED = re.compile(r"#define __NR(?:3264)?_(\w+) (\d+)")
BPF_INSTRUCTIONS_MAX = 4096


@pytest.mark.parametrize("machine", calls.MACHINES)
def test_numbers_are_those_of_the_kernel_headers(machine: str) -> None:
    found = [header for header in HEADERS[machine] if header.exists()]
    if not found:
        pytest.skip(f"no kernel headers for {machine} on this machine")
    defined = {name: int(number) for name, number in DEFINED.findall(found[0].read_text())}
    defined["newfstatat"] = defined.get("newfstatat", defined.get("fstatat", -1))
    listed = {**calls.numbers(machine), **calls.watched(machine)}
    assert {name: defined.get(name) for name in listed} == listed


@pytest.mark.parametrize("machine", calls.MACHINES)
def test_exactly_the_listed_calls_are_allowed(machine: str) -> None:
    listed = set(calls.numbers(machine).values())
    watched = set(calls.watched(machine).values())
    allowed = {number for number in range(600) if asks(machine, number, 0xFFFF, 0xFFFF) == ALLOW}
    assert allowed - watched == listed
    assert all(asks(machine, number) == REFUSE for number in set(range(calls.UNKNOWN_FROM)) - listed - watched)
    assert all(asks(machine, number) == UNKNOWN for number in set(range(calls.UNKNOWN_FROM, 600)) - listed)


@pytest.mark.parametrize("machine", calls.MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("socket", (1, 1), ALLOW),
        ("socket", (2, 1), REFUSE),
        ("socket", (10, 1), REFUSE),
        ("socket", (16, 3), REFUSE),
        ("socket", (1 << 32 | 1, 1), ALLOW),  # the kernel, too, looks at the low half only
        ("socketpair", (1, 1), ALLOW),
        ("socketpair", (2, 1), REFUSE),
        ("clone", (0x3D0F00, 0), ALLOW),  # a thread of glibc
        ("clone", (0x7D0F00, 0), ALLOW),  # a thread of musl
        ("clone", (17, 0), REFUSE),  # fork
        ("clone", (0x1000_0011, 0), REFUSE),  # a new user namespace
        ("clone", (0x0003_0000, 0), REFUSE),  # a thread with a new mount namespace
        ("clone", (0x0001_0080, 0), REFUSE),  # a thread with a new time namespace
        ("ioctl", (1, 0x5413), ALLOW),
        ("ioctl", (1, 0x5412), REFUSE),  # TIOCSTI
        ("prctl", (15, 0), ALLOW),
        ("prctl", (22, 2), REFUSE),
        ("prlimit64", (0, 7), ALLOW),
        ("prlimit64", (1, 7), REFUSE),
    ],
)
def test_watched_arguments(machine: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    assert asks(machine, calls.watched(machine)[name], *arguments) == expected


def test_another_machine_s_calls_end_the_process() -> None:
    program = seccomp.program("x86_64")
    assert verdict(program, 0x4000_0003, calls.numbers("x86_64")["read"]) == KILL
    assert asks("x86_64", 0x4000_0000 | calls.numbers("x86_64")["read"]) == REFUSE  # x32


@pytest.mark.parametrize("machine", calls.MACHINES)
def test_the_kernel_takes_it(machine: str) -> None:
    program = seccomp.program(machine)
    assert len(program) < BPF_INSTRUCTIONS_MAX
    assert max(max(jt, jf) for _, jt, jf, _ in program) < 256


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(OSError, match="no system call numbers for riscv64"):
        seccomp.program("riscv64")
