"""Every primitive type of AMQP 1.0, part 1.6: its encodings as the standard gives them, both ways, and broken ones."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.decode import DEPTH_MAX, decode, skip
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import (
    Array,
    Byte,
    Char,
    Decimal32,
    Decimal64,
    Decimal128,
    DecodeError,
    Described,
    Float,
    Int,
    Long,
    Short,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

SHORTEST: list[tuple[str, Any]] = [
    ("40", None),
    ("41", True),
    ("42", False),
    ("50 ff", UByte(255)),
    ("60 ffff", UShort(65_535)),
    ("43", UInt(0)),
    ("52 ff", UInt(255)),
    ("70 00000100", UInt(256)),
    ("44", ULong(0)),
    ("53 ff", ULong(255)),
    ("80 0000000000000100", ULong(256)),
    ("51 80", Byte(-128)),
    ("61 8000", Short(-32_768)),
    ("54 80", Int(-128)),
    ("71 80000000", Int(-(2**31))),
    ("55 7f", Long(127)),
    ("81 7fffffffffffffff", Long(2**63 - 1)),
    ("72 3f800000", Float(1.0)),
    ("82 3ff0000000000000", 1.0),
    ("74 22500001", Decimal32(bytes.fromhex("22500001"))),
    ("84 2238000000000001", Decimal64(bytes.fromhex("2238000000000001"))),
    ("94" + "22" * 16, Decimal128(b"\x22" * 16)),
    ("73 0001f600", Char("\U0001f600")),
    ("83 00000139b7b3bda8", Timestamp(0x139B7B3BDA8)),
    ("98 00112233445566778899aabbccddeeff", UUID("00112233-4455-6677-8899-aabbccddeeff")),
    ("a0 01 00", b"\x00"),
    ("b0 00000100" + "00" * 256, bytes(256)),
    ("a1 04 c3a4c3b6", "äö"),
    ("b1 00000100" + "61" * 256, "a" * 256),
    ("a3 05 73796d3a61", Symbol("sym:a")),
    ("45", []),
    ("c0 02 01 41", [True]),
    ("d0 00000130 0000012c" + "41" * 300, [True] * 300),
    ("c1 01 00", {}),
    ("c1 04 02 5201 41", {UInt(1): True}),
    ("00 53 77 a1 01 61", Described(ULong(0x77), "a")),
    ("00 a3 01 7a a1 01 62", Described(Symbol("z"), "b")),
    ("f0 0000000d 00000002 70 00000001 00000002", Array(UInt, (UInt(1), UInt(2)))),
    ("f0 00000005 00000000 b3", Array(Symbol, ())),
]
ALSO_VALID: list[tuple[str, Any]] = [
    ("56 01", True),
    ("56 00", False),
    ("70 00000001", UInt(1)),
    ("80 0000000000000001", ULong(1)),
    ("71 00000001", Int(1)),
    ("81 0000000000000001", Long(1)),
    ("b0 00000001 00", b"\x00"),
    ("b1 00000001 61", "a"),
    ("b3 00000001 61", Symbol("a")),
    ("c0 01 00", []),
    ("d0 00000005 00000001 41", [True]),
    ("d1 00000007 00000002 5201 41", {UInt(1): True}),
    ("e0 04 02 52 01 02", Array(UInt, (UInt(1), UInt(2)))),
]
BROKEN = {
    "nothing": "",
    "a constructor that is none": "3f",
    "an integer cut short": "70 0000",
    "a string cut short": "a1 05 61",
    "text that is not UTF-8": "a1 01 ff",
    "a symbol that is not ASCII": "a3 01 ff",
    "a boolean of two": "56 02",
    "a character beyond Unicode": "73 00110000",
    "a list longer than the bytes": "c0 20 01 41",
    "a list that is shorter than it says": "c0 03 01 41 41",
    "more values than bytes": "d0 00000005 ffffffff 41",
    "a map with half a pair": "c1 02 01 41",
    "a map with a list as key": "c1 03 02 45 41",
    "an array of endless nothings": "f0 00000005 ffffffff 40",
    "an array of described values": "e0 05 01 00 53 70 41",
    "a descriptor alone": "00 53 70",
    "too deep": "00" * 5000,
    "lists too deep": "".join(f"d0 {4 + 9 * (99 - each):08x} 00000001" for each in range(100)),
}


@pytest.mark.parametrize(("octets", "value"), SHORTEST, ids=[each[0][:24] for each in SHORTEST])
def test_a_value_has_its_shortest_encoding(octets: str, value: Any) -> None:
    assert encode(value) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("octets", "value"), SHORTEST + ALSO_VALID, ids=[each[0][:24] for each in SHORTEST + ALSO_VALID]
)
def test_an_encoding_is_read_as_the_type_that_it_is_of(octets: str, value: Any) -> None:
    data = bytes.fromhex(octets)
    found, end = decode(data + b"rest")
    assert (found, end, skip(data, 0)) == (value, len(data), len(data))
    assert type(found) is type(value)


@pytest.mark.parametrize("octets", BROKEN.values(), ids=BROKEN.keys())
def test_broken_bytes_are_refused(octets: str) -> None:
    with pytest.raises(DecodeError):
        decode(bytes.fromhex(octets))


def test_values_may_lie_in_one_another_for_a_while() -> None:
    value: Any = True
    for _ in range(DEPTH_MAX):
        value = [value]
    assert decode(encode(value))[0] == value


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    try:
        _, end = decode(data)
    except DecodeError:
        return
    assert 0 < end <= len(data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1).map(Long)
    | st.integers(0, 2**32 - 1).map(UInt)
    | st.binary(max_size=300)
    | st.text(max_size=100)
    | st.uuids(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    data = encode(value)
    assert decode(data) == (value, len(data))
