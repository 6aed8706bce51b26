"""Between the layers and pydantic-settings: one source per layer, and one line for whatever the validation complains
about."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from AgentOperatingSystem.config.layers import DIRECTORY, Given, Layer, environment_layer, file_layer, runtime_layer
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.errors import ConfigurationError

DEFAULT_ORIGIN = "default"
MASK = "********"
_SHOWN_LENGTH_MAX = 60


class Setting(NamedTuple):
    """One line of `aos config show`; the value of a secret is masked."""

    name: str
    value: object
    origin: str
    documentation: str


class LayerSource(PydanticBaseSettingsSource):
    """A layer in the words of pydantic-settings, which lays the sources over each other."""

    def __init__(self, settings: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        given = self._layer.get(field_name)
        return (given.value if given else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: given.value for name, given in self._layer.items()}


def read_layers(
    fields: Mapping[str, FieldInfo], values: Mapping[str, object], environ: Mapping[str, str]
) -> tuple[Layer, Layer, Layer]:
    """Runtime arguments, environment and files, the strongest first. Raises `ConfigurationError` for unknown keys."""
    runtime, environment = runtime_layer(fields, values), environment_layer(fields, environ)
    return runtime, environment, file_layer(fields, directory_of(fields, runtime, environment), environ)


def directory_of(fields: Mapping[str, FieldInfo], *layers: Layer) -> Path:
    """Where the files lie. Raises `ConfigurationError` where a directory is named that is none."""
    return _directory(fields, next((layer[DIRECTORY] for layer in layers if layer.get(DIRECTORY)), None))


def _directory(fields: Mapping[str, FieldInfo], given: Given | None) -> Path:
    if not given:
        return Path(fields[DIRECTORY].default)
    directory = Path(str(given.value))
    if not directory.is_dir():
        raise ConfigurationError(f"{given.origin}: {directory} is not a directory")
    return directory


def complaint(error: ValidationError, fields: Mapping[str, FieldInfo], given: Mapping[str, Given]) -> str:
    """One line that names each wrong setting, its origin, its value unless that is a secret, and what is expected."""
    return "; ".join(_complaint(detail, fields, given) for detail in error.errors(include_url=False))


def _complaint(detail: ErrorDetails, fields: Mapping[str, FieldInfo], given: Mapping[str, Given]) -> str:
    expected = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:  # a rule between settings, which names them itself
        return f"{expected} ({', '.join(given[name].origin for name in fields if name in expected and name in given)})"
    name = str(detail["loc"][0])
    shown = "" if _is_secret(fields[name]) else f" = {repr(given[name].value)[:_SHOWN_LENGTH_MAX]}"
    return f"{given[name].origin}: {name}{shown}: {expected[0].lower()}{expected[1:]}"


def _is_secret(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(SecretStr in (kind, get_origin(kind), *get_args(kind)) for kind in kinds)


def shown(value: object) -> object:
    """The value as it may be shown and written as JSON: secrets masked, paths as text; where a secret lies is none."""
    if isinstance(value, LiveSecret):
        return value.text
    if isinstance(value, SecretStr):
        return MASK
    return str(value) if isinstance(value, Path) else value
