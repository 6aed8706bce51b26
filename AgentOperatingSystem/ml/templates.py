"""JSON by example: a template whose placeholders are filled in, and a pointer to what is wanted of an answer. Pure.

`wires.score` writes requests and reads answers with them, because no two scoring scripts speak alike.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ConfigurationError

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_LEFT_OUT = object()


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with every `{name}` of `values` filled in; other braces stay as they are.

    A text that is nothing but a placeholder becomes the value itself, of whatever type; where that is None, the key
    that holds it is left out. A placeholder within a text becomes the value's text, JSON where it is none.
    """
    found = _filled(template, values)
    return None if found is _LEFT_OUT else found


def names_in(template: Any) -> frozenset[str]:
    """Every placeholder of a template."""
    return frozenset(_PLACEHOLDER.findall(msgspec.json.encode(template).decode()))


def at(pointer: str, document: Any) -> Any:
    """What a JSON Pointer (RFC 6901) points at: `` is the document, `/0/generated_text` a field of its first element.

    Raises `LookupError` where there is no such thing.
    """
    for part in tokens(pointer):
        if isinstance(document, list):
            if not part.isascii() or not part.isdigit():
                raise LookupError(part)
            document = document[int(part)]
        elif isinstance(document, dict):
            document = document[part]
        else:
            raise LookupError(part)
    return document


def tokens(pointer: str) -> list[str]:
    """The parts of a pointer. Raises `ConfigurationError` for a text that is none."""
    if pointer and not pointer.startswith("/"):
        raise ConfigurationError(f"{pointer!r} is no JSON Pointer: write '' or '/output' or '/0/generated_text'")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, dict):
        pairs = ((name, _filled(each, values)) for name, each in template.items())
        return {name: value for name, value in pairs if value is not _LEFT_OUT}
    if isinstance(template, list):
        return [value for each in template if (value := _filled(each, values)) is not _LEFT_OUT]
    return _filled_text(template, values) if isinstance(template, str) else template


def _filled_text(text: str, values: Mapping[str, Any]) -> Any:
    alone = _PLACEHOLDER.fullmatch(text)
    if alone and alone[1] in values:
        return _LEFT_OUT if values[alone[1]] is None else values[alone[1]]
    return _PLACEHOLDER.sub(lambda found: _text(values[found[1]]) if found[1] in values else found[0], text)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
