"""Where each provider is and how it wants to be spoken to: one table.

`registry` looks a model's provider up here. Every setting that is named here is explained in docs/configuration.md.
"""

import msgspec

from AgentOperatingSystem.ml.wires.openai import Dialect


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A server that speaks OpenAI's chat completions."""

    base_url: str = ""
    """Empty where only the user knows it."""
    url_setting: str = ""
    """The setting that overrides `base_url`; with it set, a key is not asked for."""
    key_setting: str
    needs_key: bool = True
    dialect: Dialect = Dialect()


COMPATIBLE = {
    # https://platform.openai.com/docs/api-reference
    "openai": Endpoint(
        base_url="https://api.openai.com/v1",
        url_setting="openai_base_url",
        key_setting="openai_api_key",
        dialect=Dialect(max_tokens="max_completion_tokens"),
    ),
    # https://console.groq.com/docs/openai
    "groq": Endpoint(base_url="https://api.groq.com/openai/v1", key_setting="groq_api_key"),
    # https://docs.perplexity.ai/api-reference/chat-completions-post: usage comes with every chunk
    "perplexity": Endpoint(
        base_url="https://api.perplexity.ai", key_setting="perplexity_api_key", dialect=Dialect(stream_usage=False)
    ),
    # https://docs.mistral.ai/api: unknown fields are refused
    "mistral": Endpoint(
        base_url="https://api.mistral.ai/v1",
        key_setting="mistral_api_key",
        dialect=Dialect(seed="random_seed", required="any", short_ids=True, stream_usage=False),
    ),
    # https://openrouter.ai/docs/api/reference/overview
    "openrouter": Endpoint(base_url="https://openrouter.ai/api/v1", key_setting="openrouter_api_key"),
    # https://huggingface.co/docs/inference-providers
    "huggingface": Endpoint(base_url="https://router.huggingface.co/v1", key_setting="huggingface_api_key"),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    "vllm": Endpoint(
        base_url="http://127.0.0.1:8000/v1", url_setting="vllm_base_url", key_setting="vllm_api_key", needs_key=False
    ),
    # Whatever else speaks it: LM Studio, llama.cpp, Ollama's /v1, LiteLLM, a gateway.
    "compatible": Endpoint(url_setting="compatible_base_url", key_setting="compatible_api_key", needs_key=False),
}
