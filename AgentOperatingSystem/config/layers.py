"""The layers that a configuration is made of: runtime arguments, environment, files.

Each function here reads one layer and returns what it gives, every value beside its origin; `settings.AOSConfig` lays
the layers over each other and validates the result. A key that no setting knows is refused here, where its origin is
known. `None`, a JSON `null` and an empty environment variable all mean "not given" (specification row 391: `os.getenv`
of an unset variable).
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from AgentOperatingSystem.config.functions_names import functions_settings
from AgentOperatingSystem.errors import ConfigurationError

PREFIX = "AOS_"
# Names that the specification prints (row 391), and those by which a provider's own tools know its key or address. Read
# after the setting's own AOS_ name.
SECOND_NAMES: dict[str, str | tuple[str, ...]] = {
    "environment": "APP_ENVIRONMENT",
    "servicebus_connection_string": "AZURE_SERVICEBUS_CONNECTION_STRING",
    "storage_connection_string": "AZURE_STORAGE_CONNECTION_STRING",
    "applicationinsights_connection_string": "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "otlp_endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "otlp_headers": "OTEL_EXPORTER_OTLP_HEADERS",
    "openai_api_key": "OPENAI_API_KEY",
    "openai_base_url": "OPENAI_BASE_URL",
    "azure_openai_endpoint": "AZURE_OPENAI_ENDPOINT",
    "azure_openai_key": ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"),
    "azure_openai_api_version": "AZURE_OPENAI_API_VERSION",
    "anthropic_api_key": "ANTHROPIC_API_KEY",
    "anthropic_base_url": "ANTHROPIC_BASE_URL",
    "gemini_api_key": "GEMINI_API_KEY",
    "groq_api_key": "GROQ_API_KEY",
    "perplexity_api_key": "PERPLEXITY_API_KEY",
    "mistral_api_key": "MISTRAL_API_KEY",
    "openrouter_api_key": "OPENROUTER_API_KEY",
    "huggingface_api_key": "HF_TOKEN",
    "ollama_api_key": "OLLAMA_API_KEY",
    "identity_client_id": "AZURE_CLIENT_ID",
    "key_vault_url": "AZURE_KEY_VAULT_URL",
}
AZURE_MODEL = "AZURE_OPENAI_MODEL"
"""A deployment of the Azure OpenAI resource: names the model where nothing else does (specification row 395)."""
# The directory of the files cannot be set in one of its files.
DIRECTORY = "config_dir"
_EXAMPLE_PREFIX = "example"
_VARIABLE = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SECTION, APPS = "application", "apps"
"""Keys of a file that are no settings: what the application keeps there for itself, and its agents."""
LEARNING, LEARNING_FILE = "self_learning", "self_learning_config.json"


class Given(NamedTuple):
    """A value and where it came from."""

    value: object
    origin: str


Layer = dict[str, Given]


def environment_names(setting: str) -> tuple[str, ...]:
    """The environment variables that set `setting`, the strongest first."""
    own = PREFIX + setting.upper()
    others = SECOND_NAMES.get(setting, ())
    return (own, others) if isinstance(others, str) else (own, *others)


def runtime_layer(settings: Collection[str], values: Mapping[str, object]) -> Layer:
    """What the caller passed. Raises `ConfigurationError` for an argument that is no setting."""
    _refuse_unknown("runtime argument", (name for name in values if name not in settings), settings)
    return {name: Given(value, f"runtime argument {name}") for name, value in values.items() if value is not None}


def environment_layer(settings: Collection[str], environ: Mapping[str, str]) -> Layer:
    """What the process environment sets. Raises `ConfigurationError` for an `AOS_*` variable that is no setting; those
    that begin with `AOS_TEST_` are the test suite's.
    """
    known = {name: setting for setting in settings for name in environment_names(setting)}
    _refuse_unknown("environment variable", filter(_is_ours, environ.keys() - known.keys()), known)
    found = ((setting, _first(environ, environment_names(setting))) for setting in settings)
    layer = {setting: given for setting, given in found if given}
    if "model" in settings and "model" not in layer and "azure_openai_endpoint" in layer and environ.get(AZURE_MODEL):
        layer["model"] = Given(f"azure/{environ[AZURE_MODEL]}", f"environment {AZURE_MODEL}")
    of_functions = functions_settings(environ, layer)
    return layer | {
        setting: Given(value, f"environment {variable}")
        for setting, (value, variable) in of_functions.items()
        if setting in settings
    }


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and not name.startswith(f"{PREFIX}TEST_")


def _first(environ: Mapping[str, str], names: Iterable[str]) -> Given | None:
    return next((Given(environ[name], f"environment {name}") for name in names if environ.get(name)), None)


def some_layers(settings: Collection[str], values: Mapping[str, object], environ: Mapping[str, str]) -> Layer:
    """These settings alone, from runtime arguments, environment and files; whatever else is set there is not judged."""
    wanted = (*settings, DIRECTORY)
    found = ((name, _first(environ, environment_names(name))) for name in wanted)
    given = {name: value for name, value in found if value} | runtime_layer(wanted, values)
    directory = Path(str(given.pop(DIRECTORY, Given("config", "")).value))
    return file_layer(settings, directory, environ, judging=False) | given


def file_layer(
    settings: Collection[str], directory: Path, environ: Mapping[str, str], *, judging: bool = True
) -> Layer:
    """What the `*.json` files of a directory set; a file whose name begins with `example` is an example and is not
    read.

    A file is one object. Nested keys are joined: `{"turn": {"timeout_seconds": 60}}` sets `turn_timeout_seconds`.
    `${NAME}` within a text is that variable's value (specification row 178). What lies under `application` and `apps`
    is for `sections`. Raises `ConfigurationError` for a file that is not JSON, an unknown key (unless not `judging`), a
    key that is given twice, and a variable that is not set.
    """
    layer: Layer = {}
    for path, tree in trees(directory):
        for name, value in _settings_of(path, tree, settings, judging).items():
            if name in layer:
                raise ConfigurationError(f"{path}: {name} is already set by {layer[name].origin.removeprefix('file ')}")
            layer[name] = Given(interpolated(value, environ, f"{path}: {name}"), f"file {path}")
    return layer


def trees(directory: Path) -> Iterator[tuple[Path, dict[str, object]]]:
    """The files that count, in the order of their names. Raises `ConfigurationError` for one that is not JSON."""
    for path in sorted(directory.glob("*.json")):
        if not path.name.startswith(_EXAMPLE_PREFIX):
            tree = _read_object(path)
            yield path, {SECTION: {LEARNING: tree}} if path.name == LEARNING_FILE else tree


def interpolated(value: Any, environ: Mapping[str, str], where: str) -> Any:
    """The JSON value with variables in place of `${NAME}`; `$${` is a `${`. Raises `ConfigurationError` for one that
    is not set, by its name; a value is never repeated.
    """
    if isinstance(value, dict):
        return {name: interpolated(inner, environ, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner, environ, where) for inner in value]
    return _VARIABLE.sub(lambda found: _variable(found, environ, where), value) if isinstance(value, str) else value


def _variable(found: re.Match[str], environ: Mapping[str, str], where: str) -> str:
    if found[0].startswith("$$"):
        return found[0][1:]
    value = environ.get(found[1])
    if not value:
        raise ConfigurationError(f"{where}: the environment variable {found[1]} is not set")
    return value


def _settings_of(path: Path, tree: Mapping[str, object], settings: Collection[str], judging: bool) -> dict[str, object]:
    known = [name for name in settings if name != DIRECTORY]
    found: dict[str, object] = {}
    unknown: list[str] = []
    for keys, value in _leaves({key: value for key, value in tree.items() if key not in (SECTION, APPS)}):
        name = "_".join(keys)
        if name not in known:
            unknown.append(".".join(keys))
        elif name in found:
            raise ConfigurationError(f"{path}: {name} is set twice, flat and nested")
        elif value is not None:
            found[name] = value
    if judging:
        _refuse_unknown(f"{path}: key", unknown, known)
    return found


def _leaves(tree: Mapping[str, object], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _read_object(path: Path) -> dict[str, object]:
    try:
        tree = json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ConfigurationError(f"{path}: must hold one JSON object, not {type(tree).__name__}")
    return tree


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return tree


def _refuse_unknown(where: str, unknown: Iterable[str], known: Collection[str]) -> None:
    complaints = [f"{where} {name} is not a setting{_suggestion(name, known)}" for name in sorted(unknown)]
    if complaints:
        raise ConfigurationError("; ".join(complaints))


def _suggestion(name: str, known: Collection[str]) -> str:
    from difflib import get_close_matches  # only where something is wrong

    close = get_close_matches(name.replace(".", "_"), known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
