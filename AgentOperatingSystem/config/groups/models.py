"""Which models think, how they are called, and what they may cost."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import KIB, MIB, Count, Seconds


class ModelSettings(BaseSettings):
    """Which models think, how they are called, and what they may cost."""

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
