"""What the kernel would answer: classic BPF over one `struct seccomp_data`, for the instructions that we use."""

import struct
from collections.abc import Sequence

from AgentOperatingSystem.tools.sandbox.cage import seccomp
from AgentOperatingSystem.tools.sandbox.cage.seccomp import AND, AT_LEAST, EQUAL, LOAD, RETURN, Instruction


def verdict(program: Sequence[Instruction], machine: int, number: int, *arguments: int) -> int:
    """The value that the filter returns for a call."""
    data = struct.pack("<IIQ6Q", number & 0xFFFF_FFFF, machine, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    value, place = 0, 0
    while True:
        code, jt, jf, operand = program[place]
        place += 1
        if code == RETURN:
            return operand
        if code == LOAD:
            (value,) = struct.unpack_from("<I", data, operand)
        elif code == AND:
            value &= operand
        else:
            assert code in (EQUAL, AT_LEAST)
            place += jt if (value == operand if code == EQUAL else value >= operand) else jf


def asks(machine: str, number: int, *arguments: int) -> int:
    """The verdict of the machine's own filter."""
    return verdict(seccomp.program(machine), seccomp.AUDIT_MACHINES[machine], number, *arguments)
