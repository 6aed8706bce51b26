"""State as bytes: four kinds of it, migrations, and the refusal to guess."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from AgentOperatingSystem.agents.state import Migration, StateCodec
from AgentOperatingSystem.errors import StateUnreadable, TooLarge


class ModelState(BaseModel):
    count: int = 0
    names: list[str] = []


class StructState(msgspec.Struct):
    count: int = 0
    names: list[str] = msgspec.field(default_factory=list)


@dataclass
class DataState:
    count: int = 0
    names: list[str] = field(default_factory=list)


def codec(
    kind: type | None = None, schema: int = 1, migrations: dict[int, Migration] | None = None, bytes_max: int = 1000
) -> StateCodec:
    return StateCodec(kind, schema, migrations or {}, bytes_max)


KINDS = (ModelState, StructState, DataState)


@pytest.mark.parametrize("kind", KINDS)
def test_a_typed_state_comes_back_as_itself(kind: type) -> None:
    state = kind(count=3, names=["ü", "🙂"])
    content = codec(kind).encode(state)
    assert msgspec.json.decode(content) == {"count": 3, "names": ["ü", "🙂"]}
    assert codec(kind).decode(content, 1) == state


@pytest.mark.parametrize("kind", [*KINDS, None, dict])
def test_where_there_is_no_content_a_fresh_state_is_made_each_time(kind: type | None) -> None:
    one, other = codec(kind).decode(b"", 1), codec(kind).decode(b"", 1)
    assert one == other == codec(kind).fresh()
    assert one is not other


def test_a_dict_comes_back() -> None:
    state = {"a": [1, 2.5, None, True], "b": {"c": "d"}}
    assert codec().decode(codec().encode(state), 1) == state


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"null", b"[]", b'"text"', b'{"count":"many"}', b'{"names":[1]}', b'{"count":1}x']
)
def test_bytes_that_do_not_fit_are_refused(kind: type, content: bytes) -> None:
    with pytest.raises(StateUnreadable, match=r"does not fit|cannot be read|not an object"):
        codec(kind).decode(content, 1)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"null", b"[]", b'"text"', b"5"])
def test_a_dict_state_must_be_an_object(content: bytes) -> None:
    with pytest.raises(StateUnreadable):
        codec().decode(content, 1)


def test_a_newer_schema_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(StateUnreadable, match="schema 3, this code knows up to 2: deploy the newer code"):
        codec(schema=2).decode(b"{}", 3)


def rename(state: dict[str, Any]) -> dict[str, Any]:
    return {"count": state.pop("number"), **state}


def add_names(state: dict[str, Any]) -> dict[str, Any]:
    state["names"] = [str(number) for number in range(state["count"])]
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_older_states_pass_through_each_migration_in_turn(kind: type) -> None:
    newest = codec(kind, 3, {1: rename, 2: add_names})
    assert newest.decode(b'{"number":2}', 1) == kind(count=2, names=["0", "1"])
    assert newest.decode(b'{"count":1}', 2) == kind(count=1, names=["0"])
    assert newest.decode(b'{"count":1}', 3) == kind(count=1)


def test_a_gap_in_the_migrations_is_named() -> None:
    with pytest.raises(StateUnreadable, match="no migration from schema 2 to 3"):
        codec(schema=4, migrations={1: rename, 3: rename}).decode(b'{"number":1}', 1)


def broken(state: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("number")


@pytest.mark.parametrize(("migration", "content"), [(broken, b"{}"), (rename, b"{}"), (rename, b"[1]"), (rename, b"{")])
def test_a_migration_that_fails_makes_the_state_unreadable(migration: Migration, content: bytes) -> None:
    with pytest.raises(StateUnreadable):
        codec(schema=2, migrations={1: migration}).decode(content, 1)


def test_a_state_above_the_limit_is_refused() -> None:
    assert len(codec(bytes_max=20).encode({"a": "x" * 11})) == 19
    with pytest.raises(TooLarge, match="the state is 21 bytes; state_bytes_max is 20"):
        codec(bytes_max=20).encode({"a": "x" * 13})


class Custom:
    """Nothing that JSON has."""


@pytest.mark.parametrize("state", [{"a": Custom()}, {"a": "\ud800"}, {Custom(): 1}])
def test_a_state_that_is_no_json_is_refused(state: Any) -> None:
    with pytest.raises(StateUnreadable, match="cannot be written as JSON"):
        codec().encode(state)


@pytest.mark.parametrize("state", [None, [1], "text", 5])
def test_a_dict_state_that_became_something_else_is_refused_when_it_is_written(state: Any) -> None:
    """Else it could be committed, and never be read again."""
    with pytest.raises(StateUnreadable):
        codec().encode(state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", [None, {"count": 1}, "text"])
def test_a_typed_state_that_became_something_else_is_refused_when_it_is_written(kind: type, state: Any) -> None:
    with pytest.raises(StateUnreadable, match=f"declared as {kind.__name__}"):
        codec(kind).encode(state)


@pytest.mark.parametrize("kind", [StructState, DataState])
def test_what_could_not_be_read_again_is_found_before_it_is_committed(kind: type) -> None:
    codec(kind).check(codec(kind).encode(kind(count=1)))
    with pytest.raises(StateUnreadable, match="does not fit"):
        codec(kind).check(codec(kind).encode(kind(count="many")))


def test_an_object_can_always_be_read_again() -> None:
    codec().check(codec().encode({"anything": [1, None]}))


def test_a_state_may_be_a_list_where_it_is_declared() -> None:
    numbers = codec(list[int])
    assert numbers.fresh() == []
    assert numbers.decode(numbers.encode([1, 2]), 1) == [1, 2]
    with pytest.raises(StateUnreadable):
        numbers.decode(b'["x"]', 1)
