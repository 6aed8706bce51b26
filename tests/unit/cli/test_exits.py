import pytest

from AgentOperatingSystem import errors
from AgentOperatingSystem.cli.exits import (
    FAILED,
    NOT_FOUND,
    REFUSED,
    UNREACHABLE,
    USAGE,
    NobodyListens,
    NoSuchFile,
    NotReachable,
    Problem,
    exit_code,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ConfigurationError("x"), USAGE),
        (errors.InvalidEvent("x"), USAGE),
        (errors.IdempotencyKeyReused("x"), USAGE),
        (errors.TooLarge("x"), USAGE),
        (errors.UnknownAgent("x"), NOT_FOUND),
        (NoSuchFile("x"), NOT_FOUND),
        (errors.Unauthorized("x"), REFUSED),
        (errors.IllegalTransition("x"), REFUSED),
        (errors.AgentTerminated("x"), REFUSED),
        (errors.Overloaded("x"), REFUSED),
        (errors.Conflict("x"), REFUSED),
        (errors.StoreUnavailable("x"), UNREACHABLE),
        (NotReachable("x"), UNREACHABLE),
        (NobodyListens("x"), UNREACHABLE),
        (errors.EventFailed("x"), FAILED),
        (errors.StateUnreadable("x"), FAILED),
        (errors.AOSError("x"), FAILED),
    ],
)
def test_each_kind_of_error_has_its_exit_code_here_and_from_afar(error: errors.AOSError, expected: int) -> None:
    assert exit_code(error) == expected
    assert exit_code(Problem("x", error.code, error.status)) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, USAGE), (401, REFUSED), (404, NOT_FOUND), (409, REFUSED), (429, REFUSED), (500, FAILED), (503, REFUSED)],
)
def test_a_code_of_a_newer_system_is_judged_by_its_status(status: int, expected: int) -> None:
    assert exit_code(Problem("x", "not-known-here", status)) == expected
