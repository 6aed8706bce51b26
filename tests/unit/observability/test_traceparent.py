import pytest
from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.observability.traceparent import Trace, parse, write

VALID = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_traceparent_is_taken_apart() -> None:
    assert parse(VALID) == Trace(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 1)


@given(st.builds(Trace, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 255)))
def test_what_is_written_is_read(trace: Trace) -> None:
    assert parse(write(trace)) == trace


def test_a_later_version_may_say_more() -> None:
    assert parse(VALID.replace("00-", "01-", 1) + "-more") == parse(VALID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        VALID.upper(),
        VALID + "\n",
        VALID + "-more",
        "ff" + VALID[2:],
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    ],
)
def test_what_is_not_valid_is_nothing(text: str) -> None:
    assert parse(text) is None
