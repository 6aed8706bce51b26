"""Online endpoints of Azure Machine Learning, as models: `azureml/<endpoint>`.

`registry` asks `Endpoints` for one. An endpoint speaks OpenAI's chat completions (vLLM, serverless) or its scoring
script's own JSON; either way it is an `HttpProvider` with a wire, behind the gate that all agents of this host share.
The user's file says where endpoints are; docs/gpu.md explains it. Source:
https://learn.microsoft.com/azure/machine-learning/how-to-authenticate-online-endpoint.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec
from pydantic import SecretStr

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import environment_names
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml.azure import entra_source
from AgentOperatingSystem.ml.azure_ml_faults import refused
from AgentOperatingSystem.ml.catalogue import capabilities, load_table
from AgentOperatingSystem.ml.credentials import KeyHeaders, bearer
from AgentOperatingSystem.ml.gate import Gate
from AgentOperatingSystem.ml.http import Headers, HttpEdge
from AgentOperatingSystem.ml.provider import HttpProvider
from AgentOperatingSystem.ml.records import Capabilities
from AgentOperatingSystem.ml.templates import names_in, tokens
from AgentOperatingSystem.ml.tokens import RenewedToken, TokenHeaders, TokenSource
from AgentOperatingSystem.ml.wires import Wire
from AgentOperatingSystem.ml.wires.openai import Dialect, OpenAIWire
from AgentOperatingSystem.ml.wires.score import PLACEHOLDERS, ScoreWire, Shape
from AgentOperatingSystem.observability.redaction import register_secrets

PROVIDER = "azureml"
SCOPE = "https://ml.azure.com/.default"
NEEDS_TOKENS = "Azure ML endpoints without a key"
DEPLOYMENT = "azureml-model-deployment"
"""The header that names one deployment of the endpoint, past its traffic rules."""
_SPEAKS_SCORE = {"tools": False, "streaming": False, "vision": False}


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One online endpoint, as the file says it."""

    url: str
    """Up to `/v1` for `openai`; the whole scoring address, with its `/score`, for `score`."""
    shape: Literal["openai", "score"] = "openai"
    model: str = ""
    """The model's name where the server wants to be told (vLLM knows several); an adapter takes its place."""
    deployment: str = ""
    """Asked past the endpoint's traffic rules; empty leaves it to them."""
    auth: Literal["entra", "key"] = "entra"
    """`key`: the setting `azureml_key`."""
    key_file: str = ""
    """A file with this endpoint's own key, beside the endpoints' file or absolute; then `auth` does not matter."""
    timeout_seconds: float | None = None
    """How long a call may take; None means `model_timeout_seconds`. The deployment has a limit of its own."""
    at_once_max: int = 8
    """Calls of this host at the same time."""
    requests_per_second: float | None = None
    coalesce: bool = True
    """Whether exactly the same requests share one call while it is under way."""
    capabilities: dict[str, Any] = {}
    """What the model can do, over what its shape can."""
    score: Shape = msgspec.field(default_factory=Shape)


class EndpointsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: endpoints and templates of jobs, by name."""

    endpoints: dict[str, Endpoint] = {}
    jobs: dict[str, dict[str, Any]] = {}
    """The bodies of jobs, as Azure Resource Manager takes them (`azure_ml_jobs`)."""


class Reached(msgspec.Struct, frozen=True):
    """A model and what goes around it alone."""

    provider: HttpProvider
    gate: Gate
    coalesce: bool


class Endpoints:
    """The endpoints of one system: their gates and tokens are shared by all that ask them.

    Their tokens come from `tokens`, or else from `credential`, or else from what azure-identity finds. Raises
    `ConfigurationError` where the file is wrong.
    """

    def __init__(
        self, config: AOSConfig, clock: Clock, tokens: TokenSource | None = None, credential: Any = None
    ) -> None:
        self._config = config
        self._file = read_file(config.azureml_endpoints_file)
        self._token = RenewedToken(tokens or entra_source(SCOPE, NEEDS_TOKENS, credential), clock)
        self._gates: dict[str, Gate] = {}

    def reach(self, name: str) -> Reached:
        """The model behind `azureml/<name>`. Raises `ConfigurationError` where no endpoint is configured for it."""
        endpoint, who = self.endpoint(name), f"{PROVIDER}/{name}"
        edge = HttpEdge(who, endpoint.url, self._headers(endpoint), refused)
        timeout_seconds = endpoint.timeout_seconds or self._config.model_timeout_seconds
        can = capabilities(PROVIDER, name, self._config.models_file, _declared(endpoint))
        provider = HttpProvider(who, _wire(endpoint, name), edge, can, timeout_seconds)
        return Reached(provider, self._gate(endpoint), endpoint.coalesce)

    def endpoint(self, name: str) -> Endpoint:
        """What is configured under a name: in the file or, for any other name, by `azureml_endpoint`."""
        config, found = self._config, self._file.endpoints.get(name)
        if found is not None:
            return found
        if config.azureml_endpoint is not None:
            return Endpoint(url=config.azureml_endpoint, model=name, auth="key" if config.azureml_key else "entra")
        if config.azureml_endpoints_file is not None:
            there = ", ".join(self._file.endpoints) or "none"
            raise ConfigurationError(
                f"{PROVIDER}/{name}: {config.azureml_endpoints_file} has no such endpoint: {there}"
            )
        names = (f"{each} ({environment_names(each)[0]})" for each in ("azureml_endpoint", "azureml_endpoints_file"))
        raise ConfigurationError(f"{PROVIDER}/{name} needs the setting {' or '.join(names)}; docs/gpu.md explains them")

    def _headers(self, endpoint: Endpoint) -> Headers:
        fixed = {DEPLOYMENT: endpoint.deployment} if endpoint.deployment else {}
        key = self._key(endpoint)
        return (
            TokenHeaders(self._token, fixed) if key is None else KeyHeaders(key, lambda text: {**fixed, **bearer(text)})
        )

    def _key(self, endpoint: Endpoint) -> SecretStr | None:
        if endpoint.key_file:
            return _read_key(Path(self._config.azureml_endpoints_file or "").parent / endpoint.key_file)
        if endpoint.auth == "key" and self._config.azureml_key is None:
            raise ConfigurationError(f"{endpoint.url}: its auth is 'key', and azureml_key is not set (AOS_AZUREML_KEY)")
        return self._config.azureml_key if endpoint.auth == "key" else None

    def _gate(self, endpoint: Endpoint) -> Gate:
        """One for each deployment, however many names it has."""
        where = f"{endpoint.url} {endpoint.deployment}".strip()
        if where not in self._gates:
            self._gates[where] = Gate(
                where,
                at_once_max=endpoint.at_once_max,
                per_second=endpoint.requests_per_second,
                wait_seconds_max=self._config.azureml_wait_seconds_max,
            )
        return self._gates[where]


def read_file(path: Path | None) -> EndpointsFile:
    """The user's file, checked; nothing where there is none. Raises `ConfigurationError`, one line."""
    read: EndpointsFile = load_table(path, EndpointsFile) if path is not None else EndpointsFile()
    for name, endpoint in read.endpoints.items():
        if fault := _fault(endpoint):
            raise ConfigurationError(f"{path}: endpoint {name!r}: {fault}")
    return read


def _fault(endpoint: Endpoint) -> str:
    """What is wrong with an endpoint; empty where nothing is."""
    if not endpoint.url.startswith(("https://", "http://")):
        return f"url {endpoint.url!r}: write https://…"
    if endpoint.at_once_max < 1 or (endpoint.requests_per_second or 1) <= 0 or (endpoint.timeout_seconds or 1) <= 0:
        return "at_once_max is 1 or more, requests_per_second and timeout_seconds are above 0"
    unknown = names_in(endpoint.score.input) - set(PLACEHOLDERS)
    if unknown:
        return f"score.input: no placeholder {{{min(unknown)}}}; there are {', '.join(PLACEHOLDERS)}"
    try:
        for pointer in (endpoint.score.output, endpoint.score.input_tokens, endpoint.score.output_tokens):
            tokens(pointer or "")
        msgspec.convert(_declared(endpoint), Capabilities, strict=True)
    except ConfigurationError as error:
        return str(error)
    except msgspec.ValidationError as error:
        return f"capabilities: {error}"
    return ""


def _wire(endpoint: Endpoint, name: str) -> Wire:
    if endpoint.shape == "score":
        return ScoreWire(PROVIDER, endpoint.model or name, endpoint.score)
    return OpenAIWire(PROVIDER, endpoint.model or name, Dialect(model_in_body=bool(endpoint.model)))


def _declared(endpoint: Endpoint) -> dict[str, Any]:
    """What an endpoint can do by its shape, and what its own entry says over that."""
    speaks = _SPEAKS_SCORE if endpoint.shape == "score" else {}
    adapters = endpoint.shape == "openai" or "adapter" in names_in(endpoint.score.input)
    return speaks | {"adapters": adapters} | endpoint.capabilities


def _read_key(path: Path) -> SecretStr:
    try:
        key = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"key_file {path}: cannot be read: {type(error).__name__}") from None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(f"key_file {path}: a key is one line of printable ASCII without spaces")
    register_secrets(key)
    return SecretStr(key)
