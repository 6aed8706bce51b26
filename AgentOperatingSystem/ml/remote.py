"""Builds the models that are reached over HTTP: endpoint, credentials and wire from the configuration.

`registry` imports it for the first such model, because the HTTP client takes its time to load.
"""

from pydantic import SecretStr

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import environment_names
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml.azure import TokenProvider, entra_headers, refused_identity
from AgentOperatingSystem.ml.catalogue import capabilities
from AgentOperatingSystem.ml.credentials import KeyHeaders, bearer
from AgentOperatingSystem.ml.endpoints import COMPATIBLE, Endpoint
from AgentOperatingSystem.ml.faults import from_status
from AgentOperatingSystem.ml.http import Complaint, Headers, HttpEdge
from AgentOperatingSystem.ml.provider import HttpProvider
from AgentOperatingSystem.ml.wires import Wire
from AgentOperatingSystem.ml.wires.anthropic import VERSION, AnthropicWire
from AgentOperatingSystem.ml.wires.gemini import GeminiWire
from AgentOperatingSystem.ml.wires.ollama import OllamaWire
from AgentOperatingSystem.ml.wires.openai import Dialect, OpenAIWire


def build(provider: str, model: str, config: AOSConfig, tokens: TokenProvider | None) -> HttpProvider:
    """The model, not yet connected. Raises `ConfigurationError` where a setting that it needs is missing."""
    name = f"{provider}/{model}"
    wire, base_url, headers = reached(provider, model, config, tokens)
    can = capabilities(provider, model, config.models_file)
    edge = HttpEdge(name, base_url, headers, _complaint(provider, config))
    return HttpProvider(name, wire, edge, can, config.model_timeout_seconds)


def _complaint(provider: str, config: AOSConfig) -> Complaint:
    """Who reads a refusal: an identity that is not let in lacks a role, a key that is not is wrong."""
    if provider != "azure" or config.azure_openai_key is not None:
        return from_status
    return refused_identity(config.azure_openai_endpoint or "", config.identity_client_id)


def reached(provider: str, model: str, config: AOSConfig, tokens: TokenProvider | None) -> tuple[Wire, str, Headers]:
    """How a model is spoken to, where, and with which credentials. Raises `ConfigurationError`."""
    if provider in COMPATIBLE:
        return _compatible(provider, model, config, COMPATIBLE[provider])
    if provider == "azure":
        return _azure(model, config, tokens)
    if provider == "anthropic":
        key = _key(
            config, "anthropic_api_key", model=f"anthropic/{model}", needed=not _is_set(config, "anthropic_base_url")
        )
        headers = KeyHeaders(key, lambda text: {"x-api-key": text}, anthropic_version=VERSION)
        return AnthropicWire(model), config.anthropic_base_url, headers
    if provider == "gemini":
        key = _key(config, "gemini_api_key", model=f"gemini/{model}", needed=not _is_set(config, "gemini_base_url"))
        return GeminiWire(model), config.gemini_base_url, KeyHeaders(key, lambda text: {"x-goog-api-key": text})
    key = _key(config, "ollama_api_key", model=f"ollama/{model}", needed=False)
    return OllamaWire(model), config.ollama_base_url, KeyHeaders(key, bearer)


def _compatible(provider: str, model: str, config: AOSConfig, endpoint: Endpoint) -> tuple[Wire, str, Headers]:
    own_url = getattr(config, endpoint.url_setting) if endpoint.url_setting else None
    base_url = own_url or endpoint.base_url
    name = f"{provider}/{model}"
    if not base_url:
        raise _missing(name, endpoint.url_setting)
    key = _key(config, endpoint.key_setting, model=name, needed=endpoint.needs_key and not own_url)
    return OpenAIWire(provider, model, endpoint.dialect), base_url, KeyHeaders(key, bearer)


def _azure(deployment: str, config: AOSConfig, tokens: TokenProvider | None) -> tuple[Wire, str, Headers]:
    """By the version-less address, or by that of the deployment where an API version is set.

    https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
    """
    if config.azure_openai_endpoint is None:
        raise _missing(f"azure/{deployment}", "azure_openai_endpoint")
    version = config.azure_openai_api_version
    path = f"/deployments/{deployment}/chat/completions?api-version={version}" if version else "/v1/chat/completions"
    dialect = Dialect(path=path, model_in_body=not version, max_tokens="max_completion_tokens")
    key = _key(config, "azure_openai_key", model=f"azure/{deployment}", needed=False)
    headers = KeyHeaders(key, lambda text: {"api-key": text}) if key else entra_headers(tokens)
    return OpenAIWire("azure", deployment, dialect), f"{config.azure_openai_endpoint}/openai", headers


def _key(config: AOSConfig, setting: str, *, model: str, needed: bool) -> SecretStr | None:
    secret = getattr(config, setting)
    if isinstance(secret, SecretStr):
        return secret
    if needed:
        raise _missing(model, setting)
    return None


def _is_set(config: AOSConfig, setting: str) -> bool:
    return config.origin(setting) != "default"


def _missing(model: str, setting: str) -> ConfigurationError:
    return ConfigurationError(f"{model} needs the setting {setting} ({' or '.join(environment_names(setting))})")
