"""JSON schemas of answers: checked before the call, enforced after it, and fitted to what a provider takes.

`support` and `answers` call in; `wires` ask how a schema must look for their provider.
"""

from functools import lru_cache
from typing import Any

import msgspec

from AgentOperatingSystem.errors import BadModelRequest

_SHOWN_LENGTH_MAX = 200
_encode = msgspec.json.Encoder(order="deterministic").encode
# What Anthropic's structured outputs do not take; the answer is checked against it here all the same.
# https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations"
_CONSTRAINTS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"pattern", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"}
)


def check_schema(schema: dict[str, Any]) -> None:
    """Raises `BadModelRequest` where this is no JSON schema."""
    _validator(_encode(schema))


def fault(schema: dict[str, Any], text: str) -> str:
    """Why `text` is not JSON that fits the schema; empty where it does."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        return f"the answer is not JSON ({error}): {text[:_SHOWN_LENGTH_MAX]!r}"
    misfit = next(_validator(_encode(schema)).iter_errors(value), None)
    return f"the answer does not fit the schema at {misfit.json_path}: {misfit.message}" if misfit else ""


@lru_cache(maxsize=64)
def _validator(encoded: bytes) -> Any:
    from jsonschema.exceptions import SchemaError  # 0.1 s, so only where a schema is asked for
    from jsonschema.validators import validator_for

    schema = msgspec.json.decode(encoded)
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise BadModelRequest(f"json_schema is no JSON schema at {error.json_path}: {error.message}") from None
    return kind(schema)


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes it: every object lists all its properties as required and allows no other.

    https://developers.openai.com/api/docs/guides/structured-outputs, "Supported schemas"
    """
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties", {})
    if schema.get("type") == "object" or properties:
        closed = schema.get("additionalProperties") is False
        if not closed or not isinstance(properties, dict) or set(properties) != set(schema.get("required", [])):
            return False
    return all(map(is_strict, schema.values()))


def closed(schema: Any) -> Any:
    """The schema as Anthropic takes it: no properties beyond those that are listed, no constraints on values.

    It allows no more than the original as far as properties go; the constraints are checked on the answer.
    """
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    fitted = {key: _closed_at(key, value) for key, value in schema.items() if key not in _CONSTRAINTS}
    if schema.get("type") == "object" or "properties" in schema:
        fitted["additionalProperties"] = False
    return fitted


def _closed_at(keyword: str, value: Any) -> Any:
    """Below `properties` and `$defs` stand names, which may be spelled like a keyword."""
    if keyword in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {name: closed(each) for name, each in value.items()}
    return value if keyword in ("enum", "const", "default", "examples") else closed(value)
