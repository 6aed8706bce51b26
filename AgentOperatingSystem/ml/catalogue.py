"""What each model can do, from a dated table: `models.json`, and the user's own file over it.

`registry` asks it once per model. A model that is not in the table gets what its provider's models have in common; what
nobody has declared (images above all) is off, and the refusal says how to declare it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml.records import Capabilities

EVERY = "*"
# A version that providers append: gpt-4o-mini-2024-07-18, claude-haiku-4-5-20251001.
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class _Provider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: dict[str, dict[str, Any]]
    page: str = ""
    read_on: str = ""


def capabilities(
    provider: str, model: str, override: Path | None = None, basis: Mapping[str, Any] | None = None
) -> Capabilities:
    """What `provider/model` can do, over a `basis` where nothing else is declared.

    Laid over each other: the provider's `*`, the model's family (`llava` of `llava:7b`), the model without the date of
    its version, the model; then all of them again from the `override` file. Raises `ConfigurationError` where that file
    is wrong.
    """
    tables = [_shipped()] + ([load_table(override, dict[str, _Provider])] if override else [])
    known = dict(basis or {})
    for table in tables:
        models = table[provider].models if provider in table else {}
        for name in (EVERY, model.partition(":")[0], undated(model), model):
            known |= models.get(name, {})
    try:
        return msgspec.convert(known, Capabilities, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"models_file {override}: {provider}/{model}: {error}") from None


def undated(model: str) -> str:
    """The model without the date of its version."""
    return _DATED.sub("", model)


def load_table(path: Path, shape: type[Any]) -> Any:
    """A JSON table of the user's. Raises `ConfigurationError`, one line."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


@lru_cache(maxsize=1)
def _shipped() -> dict[str, _Provider]:
    content = files("AgentOperatingSystem.ml").joinpath("models.json").read_bytes()
    return msgspec.json.decode(content, type=dict[str, _Provider])
