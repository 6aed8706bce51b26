"""The system call filter: a list of what is allowed, as a classic BPF program. seccomp(2), bpf.h, seccomp.h.

A call that is not on the list fails with EPERM, one that is newer than the list with ENOSYS; a call of another machine
type (32-bit calls on a 64-bit kernel, whose numbers mean other things) ends the process.
"""

import ctypes
import errno
import os
from collections.abc import Iterable, Sequence
from itertools import chain

from AgentOperatingSystem.tools.sandbox.cage import libc
from AgentOperatingSystem.tools.sandbox.cage.calls import UNKNOWN_FROM, numbers, watched

Instruction = tuple[int, int, int, int]  # code, steps ahead if true, if false, operand

LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
NUMBER, MACHINE, ARGUMENTS = 0, 4, 16  # places in struct seccomp_data
ALLOW, ERRNO, KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
REFUSE, UNKNOWN = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
AUDIT_MACHINES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
X32_BIT = 0x4000_0000

AF_UNIX = 1
ITSELF = 0  # as a process id
CLONE_THREAD = 0x0001_0000
CLONE_NAMESPACES = 0x7E02_0080  # every CLONE_NEW… flag
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # is it a terminal, its size, FIONREAD, FIONBIO, FIO(N)CLEX
PRCTLS = (3, 15, 16, 21, 23, 39)  # get: dumpable, name, seccomp mode, bounding set, no_new_privs; set: name


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


def install() -> None:
    """Filters every later call of this process, for good. Raises `OSError`; `no_new_privs` must be set."""
    code = program(os.uname().machine)
    filters = (_Filter * len(code))(*(_Filter(*instruction) for instruction in code))
    pointer = ctypes.byref(_Program(len(code), filters))
    libc.prctl(libc.PR_SET_SECCOMP, 2, ctypes.cast(pointer, ctypes.c_void_p))


def program(machine: str) -> Sequence[Instruction]:
    """The whole filter. Raises `OSError` (ENOSYS) for a machine whose numbers are not known."""
    if machine not in AUDIT_MACHINES:
        raise OSError(errno.ENOSYS, f"no system call numbers for {machine}; known are {', '.join(AUDIT_MACHINES)}")
    conditions = _conditions(watched(machine))
    ranges = _ranges(numbers(machine).values())
    return [
        (LOAD, 0, 0, MACHINE),
        (EQUAL, 1, 0, AUDIT_MACHINES[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER),
        *chain.from_iterable(conditions),
        *chain.from_iterable(_within(first, last, ALLOW) for first, last in ranges),
        *_within(UNKNOWN_FROM, X32_BIT - 1, UNKNOWN),
        (RETURN, 0, 0, REFUSE),
    ]


def _conditions(numbers: dict[str, int]) -> Iterable[Sequence[Instruction]]:
    """Unix sockets only, threads only, the few controls that Python asks for, and limits of its own process only."""
    yield _if_number(numbers["socket"], _if_argument(0, [AF_UNIX]))
    yield _if_number(numbers["socketpair"], _if_argument(0, [AF_UNIX]))
    yield _if_number(numbers["clone"], _if_argument(0, [CLONE_THREAD], mask=CLONE_THREAD | CLONE_NAMESPACES))
    yield _if_number(numbers["ioctl"], _if_argument(1, IOCTLS))
    yield _if_number(numbers["prctl"], _if_argument(0, PRCTLS))
    yield _if_number(numbers["prlimit64"], _if_argument(0, [ITSELF]))


def _if_number(number: int, block: Sequence[Instruction]) -> Sequence[Instruction]:
    return [(EQUAL, 0, len(block), number), *block]


def _if_argument(position: int, values: Sequence[int], mask: int = 0xFFFF_FFFF) -> Sequence[Instruction]:
    """Allows the call where the low half of an argument, under the mask, is one of the values; else refuses it."""
    tests = [instruction for value in values for instruction in ((EQUAL, 0, 1, value), (RETURN, 0, 0, ALLOW))]
    return [(LOAD, 0, 0, ARGUMENTS + 8 * position), (AND, 0, 0, mask), *tests, (RETURN, 0, 0, REFUSE)]


def _within(first: int, last: int, answer: int) -> Sequence[Instruction]:
    return [(AT_LEAST, 0, 2, first), (AT_LEAST, 1, 0, last + 1), (RETURN, 0, 0, answer)]


def _ranges(numbers: Iterable[int]) -> Sequence[tuple[int, int]]:
    """Neighbouring numbers as one range: fewer comparisons for each call."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
