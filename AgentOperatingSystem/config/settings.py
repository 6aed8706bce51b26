"""`AOSConfig`: every setting of the system, with its meaning, its limits and its origin.

The doors and the command line make one, the composition file hands its values down, and no other module reads an
environment variable or a configuration file. Layers, the strongest last: defaults, `config/*.json`, environment,
runtime arguments (specification row 390).
"""

import os
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.connection_strings import secret_parts
from AgentOperatingSystem.config.kinds import Count, Seconds
from AgentOperatingSystem.config.sources import DEFAULT_ORIGIN, LayerSource, Setting, complaint, read_layers, shown
from AgentOperatingSystem.errors import ConfigurationError

KIB = 1024
MIB = 1024 * KIB


class AOSConfig(BaseSettings):
    """The configuration of one system, read once and frozen.

    `AOSConfig()` is what files and environment say; keyword arguments override them, and `None` means "not given"
    (specification row 391). A subclass adds settings of its own, read from the same layers. Secrets appear in no
    `repr`, description or error message. Raises `ConfigurationError`: one line that names each wrong key and its
    origin.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    environment: kinds.Name = Field(
        "production", description="Which deployment this is, such as production or development."
    )
    app: kinds.Text | None = Field(
        None, description="Where the agents are: a dotted module (`package.module`) or a file (`path/app.py`)."
    )
    config_dir: Path = Field(
        Path("config"), description="The directory whose `*.json` files are read; not settable in a file."
    )
    data_dir: Path = Field(Path(".aos"), description="Where the embedded store keeps its files.")
    storage_connection_string: kinds.StorageString | None = Field(
        None,
        description="Secret. The Azure Storage account that keeps state, by account key or shared access signature.",
    )
    servicebus_connection_string: kinds.ServiceBusString | None = Field(
        None, description="Secret. The Azure Service Bus namespace that carries messages, by shared access key."
    )
    storage_account_url: kinds.AccountUrl | None = Field(
        None, description="The Azure Storage account that keeps state, with the host's managed identity."
    )
    servicebus_fully_qualified_namespace: kinds.Namespace | None = Field(
        None, description="The Azure Service Bus namespace that carries messages, with the host's managed identity."
    )
    database_url: kinds.DatabaseUrl | None = Field(
        None,
        description="Secret. The PostgreSQL database that keeps state and carries messages, as postgresql://…; several "
        "hosts may share it.",
    )
    database_schema: kinds.Schema = Field("aos", description="The schema of that database in which the tables lie.")
    database_connections_max: Count = Field(
        10, ge=2, description="Connections that one host opens to the database, beside the one that listens."
    )
    lease_seconds: Seconds = Field(
        15,
        ge=0.1,
        description="How long a host may give no sign to the database before others take its turns, in seconds.",
    )
    tenant: kinds.Name = Field("default", description="The tenant of whatever names none.")
    host: kinds.Text = Field("127.0.0.1", description="The address that the HTTP door listens on.")
    port: Count = Field(8080, ge=0, le=65535, description="The TCP port of the HTTP door; 0 takes any free one.")
    token: kinds.Token | None = Field(
        None, description="Secret. The bearer token that every HTTP route asks for; needed off loopback."
    )
    url: kinds.Url | None = Field(
        None, description="The system that the `aos` command speaks to; none means the one on this machine."
    )
    github_webhook_secret: kinds.Token | None = Field(
        None, description="Secret. The key of GitHub's webhook signatures; without it only loopback may post webhooks."
    )
    max_concurrent_turns: Count = Field(256, ge=1, description="Turns that run at the same time on one host.")
    max_pending_events: Count = Field(
        10_000, ge=1, description="Events that may wait on one host before its doors answer 429 with Retry-After."
    )
    turn_events_max: Count = Field(64, ge=1, description="Events of one agent that one turn may handle, in one commit.")
    turn_timeout_seconds: Seconds = Field(
        300, gt=0, description="How long one turn may run before it is stopped, in seconds."
    )
    turn_deadline_seconds: Seconds = Field(
        240,
        gt=0,
        description="How old a turn may be and still begin a step, in seconds; its event goes on in the next turn.",
    )
    clock_skew_seconds: Seconds = Field(
        5,
        ge=0,
        description="How far the clocks of two hosts may be apart, in seconds: nobody decides about a call before.",
    )
    drain_timeout_seconds: Seconds = Field(
        20, ge=0, description="How long a host that stops waits for its running turns, in seconds."
    )
    event_bytes_max: Count = Field(MIB, ge=KIB, le=100 * MIB, description="The largest event, in bytes.")
    event_depth_max: Count = Field(64, ge=1, le=500, description="The deepest nesting of an event's data, in levels.")
    state_bytes_max: Count = Field(100 * MIB, ge=KIB, description="The largest state of one agent, in bytes.")
    inline_bytes_max: Count = Field(
        64 * KIB,
        ge=0,
        le=MIB,
        description="The largest value that is kept in a row, in bytes; a larger one becomes a blob.",
    )
    attempts_max: Count = Field(5, ge=1, description="Attempts of one event before it is quarantined.")
    backoff_base_seconds: Seconds = Field(
        1.0, gt=0, description="The longest wait after a first failed attempt, in seconds."
    )
    backoff_max_seconds: Seconds = Field(300, gt=0, description="The longest wait between two attempts, in seconds.")
    hops_max: Count = Field(
        32, ge=1, description="Agents that a chain of events may pass through before it is stopped."
    )
    credits_max: Count = Field(1000, ge=1, description="Events that one event may cause in all, fan-out included.")
    event_steps_max: Count = Field(
        1000, ge=1, description="Steps (calls of models, tools and functions) of one event before it is quarantined."
    )
    step_repeats_max: Count = Field(
        50, ge=1, description="How often one event may make the very same call before it is quarantined."
    )
    crash_limit: Count = Field(
        3, ge=1, description="Host crashes while one event runs before that event is quarantined."
    )
    dedupe_days: Count = Field(
        30,
        ge=1,
        description="How long a finished event is remembered, in days: the window in which it is applied exactly once.",
    )
    history_days: Count = Field(
        30,
        ge=1,
        description="How long a finished event stays to be looked at, with its steps, in days; `dedupe_days` at least.",
    )
    history_states: Literal["off", "steps", "all"] = Field(
        "steps",
        description="Which states are kept for diff, fork and replay: `off`, those around events with `steps`, `all`.",
    )
    history_states_max: Count = Field(100, ge=2, description="States that are kept of one agent, the newest.")
    warm_agents_max: Count = Field(10_000, ge=0, description="Sleeping agents whose state one host keeps in memory.")
    log_level: kinds.LogLevel = Field("INFO", description="The least severe log record that is written.")
    approvals_webhook_url: kinds.Url | None = Field(
        None, description="Where it is posted what people are asked to approve or answer, and what they decided."
    )
    subscriptions_refresh_seconds: Seconds = Field(
        5, gt=0, description="How old a host's view of subscriptions that other hosts made may be, in seconds."
    )

    model: kinds.Text = Field(
        "offline", description="The model of whatever names none, as `provider/model`; `offline` thinks nothing."
    )
    model_fallback: kinds.Text | None = Field(
        None, description="Models to ask instead while a model cannot be had: `provider/model`, with commas between."
    )
    model_offline_verdict: Literal["refuse", "error"] = Field(
        "refuse", description="What `offline` does where a verdict is asked: `refuse` in its answer, or an `error`."
    )
    model_timeout_seconds: Seconds = Field(120, gt=0, description="How long one call of a model may take, in seconds.")
    model_attempts_max: Count = Field(3, ge=1, description="Tries of one model call within a turn.")
    model_wait_seconds_max: Seconds = Field(
        30,
        ge=0,
        description="The longest wait between two tries, in seconds; if a provider asks for more, the agent rests.",
    )
    model_breaker_failures: Count = Field(
        5, ge=1, description="Failures of a model in a row before its calls fail at once for a while."
    )
    model_breaker_seconds: Seconds = Field(30, gt=0, description="How long they do, in seconds.")
    model_cache_seconds: Seconds = Field(
        0, ge=0, description="How long an answer to exactly the same request is given again, in seconds; 0 means never."
    )
    model_cache_bytes_max: Count = Field(
        16 * MIB, ge=KIB, description="How much of such answers one host keeps for each model, in bytes."
    )
    model_coalesce: bool = Field(
        False, description="Whether exactly the same requests share one call while it is under way."
    )
    embedding_model: kinds.Text = Field(
        "local",
        description="What turns passages of the knowledge base into vectors: `local`, or `provider/model`.",
    )
    models_file: Path | None = Field(
        None, description="A JSON file that says what models can do, over the table that is shipped."
    )
    prices_file: Path | None = Field(
        None, description="A JSON file with the prices of models, over the table that is shipped."
    )
    budgets_file: Path | None = Field(
        None, description="A JSON file with the budgets of agents, types and tenants, beside those declared in code."
    )
    openai_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of OpenAI.")
    openai_base_url: kinds.Url | None = Field(
        None, description="A gateway that stands in for OpenAI's API; then the key is optional."
    )
    azure_openai_endpoint: kinds.Url | None = Field(
        None, description="The Azure OpenAI resource, such as https://my-resource.openai.azure.com."
    )
    azure_openai_key: kinds.ApiKey | None = Field(
        None, description="Secret. The key of that resource; without it a Microsoft Entra identity is used."
    )
    azure_openai_api_version: kinds.Text | None = Field(
        None, description="The API version to call deployments by; none means the version-less v1 API."
    )
    anthropic_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Anthropic.")
    anthropic_base_url: kinds.Url = Field(
        "https://api.anthropic.com", description="Anthropic's API, or a gateway that stands in for it."
    )
    gemini_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Google's Gemini API.")
    gemini_base_url: kinds.Url = Field(
        "https://generativelanguage.googleapis.com", description="Gemini's API, or a gateway that stands in for it."
    )
    groq_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Groq.")
    perplexity_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Perplexity.")
    mistral_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Mistral.")
    openrouter_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of OpenRouter.")
    huggingface_api_key: kinds.ApiKey | None = Field(
        None, description="Secret. The token for Hugging Face's inference providers."
    )
    vllm_base_url: kinds.Url | None = Field(None, description="A vLLM server; none means http://127.0.0.1:8000/v1.")
    vllm_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of the vLLM server, if it has one.")
    compatible_base_url: kinds.Url | None = Field(
        None, description="Any other server that speaks OpenAI's chat completions, up to its `/chat/completions`."
    )
    compatible_api_key: kinds.ApiKey | None = Field(None, description="Secret. Its key, if it has one.")
    ollama_base_url: kinds.Url = Field("http://127.0.0.1:11434", description="The Ollama server.")
    ollama_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Ollama's cloud, if that is used.")

    search_provider: Literal["duckduckgo", "wikipedia", "brave", "tavily", "searxng"] = Field(
        "duckduckgo", description="Who `web_search` asks; `brave` and `tavily` need a key, `searxng` needs a URL."
    )
    search_api_key: kinds.ApiKey | None = Field(None, description="Secret. The key of Brave or Tavily.")
    search_url: kinds.Url | None = Field(None, description="The SearXNG instance, which may lie in a private network.")
    session_pool_endpoint: kinds.Url | None = Field(
        None,
        description="The Azure Container Apps session pool that runs models' programs; none means this machine's cage.",
    )
    session_pool_key: kinds.Token | None = Field(
        None, description="Secret. What the names of the pool's sessions are derived with: 32 characters or more."
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def __init__(self, **values: Any) -> None:
        fields = type(self).model_fields
        layers = read_layers(fields, values, os.environ)
        given = ChainMap(*layers)
        try:
            super().__init__(_build_sources=(tuple(LayerSource(type(self), layer) for layer in layers), {}))
        except ValidationError as error:
            raise ConfigurationError(complaint(error, fields, given)) from None
        self._origins.update({name: value.origin for name, value in given.items()})

    @model_validator(mode="after")
    def _check_backoff(self) -> "AOSConfig":
        if self.backoff_max_seconds < self.backoff_base_seconds:
            raise ValueError("backoff_max_seconds is smaller than backoff_base_seconds")
        return self

    @model_validator(mode="after")
    def _check_tools(self) -> "AOSConfig":
        needed = {"brave": "search_api_key", "tavily": "search_api_key", "searxng": "search_url"}
        missing = needed.get(self.search_provider)
        if missing is not None and getattr(self, missing) is None:
            raise ValueError(f"search_provider {self.search_provider!r} needs {missing}")
        if self.session_pool_endpoint is not None and self.session_pool_key is None:
            raise ValueError("session_pool_endpoint needs session_pool_key")
        return self

    def origin(self, name: str) -> str:
        """Where the value of a setting came from, such as `environment AOS_PORT`, `file config/x.json` or `default`.

        Raises `ConfigurationError` where no setting has this name.
        """
        if name not in type(self).model_fields:
            raise ConfigurationError(f"{name} is not a setting")
        return self._origins.get(name, DEFAULT_ORIGIN)

    def describe(self) -> Iterator[Setting]:
        """Every setting in the order of the documentation, secrets masked: what `aos config show` prints."""
        for name, field in type(self).model_fields.items():
            yield Setting(name, shown(getattr(self, name)), self.origin(name), field.description or "")

    def secret_values(self) -> frozenset[str]:
        """Every secret, and the keys within connection strings, for the log's redaction."""
        values = [getattr(self, name) for name in type(self).model_fields]
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return frozenset(secrets).union(*(secret_parts(secret) for secret in secrets))
