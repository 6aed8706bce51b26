"""The tree of errors is as its page draws it, and each error answers the one question: try again?"""

import re

import pytest

from AgentOperatingSystem import errors
from AgentOperatingSystem.errors import AOSError, Duplicate, HandlerError, Overloaded, Refused, Retryable, Unavailable

CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, AOSError)}


def test_every_error_stands_in_the_tree_that_the_module_draws() -> None:
    assert errors.__doc__ is not None
    tree = errors.__doc__.partition("The question that divides")[0]
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+[a-z][A-Za-z]*\b", re.sub(r" {2,}[a-z].*", "", tree)))
    assert set(CLASSES) - drawn == set()


def test_codes_are_their_own() -> None:
    codes = [kind.code for kind in CLASSES.values()]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"[a-z][a-z-]*", code) for code in codes)


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES)
def test_each_says_what_it_is_and_where_it_is_explained(kind: type[AOSError]) -> None:
    assert kind.__doc__
    error = kind(("a", "b")) if issubclass(kind, Duplicate) else kind("what was wrong")
    assert error.docs_url == f"docs/errors.md#{kind.code}"
    assert 400 <= error.status <= 599
    assert str(error)


def test_refusals_may_say_when_to_come_again() -> None:
    assert Overloaded("full", 1.5).retry_after_seconds == 1.5
    assert Refused("no").retry_after_seconds is None


def test_only_retryable_errors_of_handlers_ask_for_another_try() -> None:
    assert Retryable("later", after_seconds=3).after_seconds == 3
    assert Retryable().after_seconds is None
    assert issubclass(Unavailable, Retryable)
    assert [
        k.__name__ for k in (errors.Terminal, errors.Quarantine, errors.TurnTimedOut) if issubclass(k, Retryable)
    ] == []
    assert issubclass(Retryable, HandlerError)


def test_a_duplicate_names_what_is_known() -> None:
    duplicate = Duplicate(["k1", "k2"])
    assert duplicate.keys == ("k1", "k2")
    assert str(duplicate) == "already recorded: k1, k2"
