"""Schemas: checked before the call, enforced after it, and fitted to what providers take."""

from typing import Any

import pytest

from AgentOperatingSystem.errors import BadModelRequest
from AgentOperatingSystem.ml import schemas

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"name": "Ada", "age": 36}', ""),
        ('{"name": "Ada"}', "the answer does not fit the schema at $: 'age' is a required property"),
        ('{"name": "Ada", "age": -1}', "the answer does not fit the schema at $.age: -1 is less than the minimum of 0"),
        ('{"name": "", "age": 1}', "the answer does not fit the schema at $.name: '' should be non-empty"),
        ("Ada, 36", "the answer is not JSON"),
    ],
)
def test_fault(text: str, why: str) -> None:
    found = schemas.fault(PERSON, text)
    assert found.startswith(why) if why else found == ""


def test_what_is_no_schema_is_the_callers_mistake() -> None:
    with pytest.raises(BadModelRequest, match="no JSON schema"):
        schemas.check_schema({"type": "objekt"})


CLOSED = {"additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (PERSON, False),
        (PERSON | CLOSED, True),
        (PERSON | CLOSED | {"required": ["name"]}, False),
        ({"type": "array", "items": PERSON}, False),
        ({"type": "array", "items": PERSON | CLOSED}, True),
        ({"type": "object", "properties": {"of": PERSON}, "required": ["of"]} | CLOSED, False),
        ({"type": "object", "properties": {"of": PERSON | CLOSED}, "required": ["of"]} | CLOSED, True),
        ({"type": "object"}, False),
        ({"anyOf": [PERSON | CLOSED, PERSON]}, False),
        ({"type": "string"}, True),
    ],
)
def test_strict_mode_is_asked_for_where_it_can_be(schema: dict[str, Any], strict: bool) -> None:
    assert schemas.is_strict(schema) is strict


def test_a_closed_schema_allows_nothing_unlisted_and_has_no_constraints() -> None:
    assert schemas.closed(PERSON) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "a+"}}, "required": ["pattern"]}
    assert schemas.closed(schema)["properties"] == {"pattern": {"type": "string"}}


def test_values_are_left_alone() -> None:
    schema = {"enum": [{"minimum": 1}], "default": {"type": "object"}}
    assert schemas.closed(schema) == schema
