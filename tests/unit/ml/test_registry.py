"""From `provider/model` to a model: names, keys, and what goes around it."""

import asyncio
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import (
    ConfigurationError,
    ModelUnavailable,
    NoModelConfigured,
    RateLimited,
    UnknownModel,
)
from AgentOperatingSystem.ml.messages import ImagePart, user
from AgentOperatingSystem.ml.records import ModelRequest, OutputSchema
from AgentOperatingSystem.ml.registry import PROVIDERS, Models, model
from AgentOperatingSystem.ml.wrappers.metered import CallReport
from tests.clocks import CLOCK

QUESTION = ModelRequest.ask("Hello!")
VERDICT = ModelRequest.ask("?", json_schema=OutputSchema(schema={"type": "object"}))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither keys of whoever runs the tests nor files of the current folder."""
    from AgentOperatingSystem.config.layers import environment_names

    for name in AOSConfig.model_fields:
        for variable in environment_names(name):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def script(folder: Path, text: str, name: str = "answers.json") -> str:
    (folder / name).write_text(text)
    return f"scripted/{folder / name}"


async def test_without_a_model_it_is_offline() -> None:
    response = await model("", AOSConfig()).complete(QUESTION)
    assert "No model is configured" in response.text


async def test_the_policy_of_offline_is_a_setting() -> None:
    assert (await model("", AOSConfig()).complete(VERDICT)).finish_reason == "refusal"
    with pytest.raises(NoModelConfigured):
        await model("", AOSConfig(model_offline_verdict="error")).complete(VERDICT)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("opanai/gpt-4o", "no provider 'opanai'; there are openai, groq"),
        ("gpt-4o", "no provider 'gpt-4o'"),
        ("openai", "write openai/<model>"),
        ("openai/", "write openai/<model>"),
    ],
)
def test_a_name_that_is_none(name: str, why: str) -> None:
    with pytest.raises(UnknownModel, match=why):
        model(name, AOSConfig())


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("openai/gpt-4o", r"openai_api_key \(AOS_OPENAI_API_KEY or OPENAI_API_KEY\)"),
        ("groq/x", "groq_api_key"),
        ("perplexity/x", "perplexity_api_key"),
        ("mistral/x", "mistral_api_key"),
        ("openrouter/a/b", "openrouter_api_key"),
        ("huggingface/a/b", r"huggingface_api_key \(AOS_HUGGINGFACE_API_KEY or HF_TOKEN\)"),
        ("anthropic/x", "anthropic_api_key"),
        ("gemini/x", "gemini_api_key"),
        ("azure/x", "azure_openai_endpoint"),
        ("compatible/x", "compatible_base_url"),
    ],
)
def test_what_is_missing_is_named(name: str, setting: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} needs the setting {setting}"):
        model(name, AOSConfig())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vllm/a/b", {}),
        ("ollama/llama3.2", {}),
        ("compatible/x", {"compatible_base_url": "http://127.0.0.1:1234/v1"}),
        ("openai/x", {"openai_base_url": "http://127.0.0.1:1234/v1"}),
        ("anthropic/x", {"anthropic_base_url": "http://127.0.0.1:1234"}),
        ("gemini/x", {"gemini_base_url": "http://127.0.0.1:1234"}),
    ],
)
async def test_a_server_of_ones_own_needs_no_key(name: str, settings: dict[str, str]) -> None:
    made = model(name, AOSConfig(**settings))
    assert made.name == name
    await made.close()


def test_a_key_by_the_name_that_the_providers_tools_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    assert model("openai/gpt-4o", AOSConfig()).capabilities.vision


async def test_azure_without_a_key_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)  # as where it is not installed
    made = model("azure/x", AOSConfig(azure_openai_endpoint="http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match=r"agent-operating-system\[azure\]"):
        await made.complete(QUESTION)
    await made.close()


async def test_one_of_each_in_a_process(tmp_path: Path) -> None:
    models = Models(AOSConfig())
    assert models.get("ollama/a") is models.get("ollama/a")
    assert models.get("ollama/a") is not models.get("ollama/b")
    await models.close()


async def test_the_models_file_is_heeded(tmp_path: Path) -> None:
    (tmp_path / "models.json").write_text('{"vllm": {"models": {"*": {"vision": true, "context_tokens": 8192}}}}')
    can = model("vllm/a/b", AOSConfig(models_file=tmp_path / "models.json")).capabilities
    assert (can.vision, can.context_tokens) == (True, 8192)


# --- what goes around a model: on a script --------------------------------------------------------------------


def models(tmp_path: Path, text: str, **settings: Any) -> tuple[Models, list[CallReport]]:
    reports: list[CallReport] = []
    config = AOSConfig(model=script(tmp_path, text), **settings)
    return Models(config, clock=CLOCK, report=reports.append), reports


@pytest.mark.virtual_time
async def test_a_429_is_waited_for_and_each_try_is_counted(tmp_path: Path) -> None:
    system, reports = models(tmp_path, '[{"error": "rate-limited", "after_seconds": 20}, {"text": "there"}]')
    assert (await system.get().complete(QUESTION)).text == "there"
    assert asyncio.get_running_loop().time() == 20
    assert [report.outcome for report in reports] == ["rate-limited", "ok"]


@pytest.mark.virtual_time
async def test_a_long_429_is_left_to_the_kernel(tmp_path: Path) -> None:
    system, _ = models(
        tmp_path, '[{"error": "rate-limited", "after_seconds": 20}, {"text": "there"}]', model_wait_seconds_max=10
    )
    with pytest.raises(RateLimited) as caught:
        await system.get().complete(QUESTION)
    assert caught.value.after_seconds == 20


@pytest.mark.virtual_time
async def test_an_open_breaker_ends_the_tries(tmp_path: Path) -> None:
    """Many agents that try again at a provider which is down are no storm: the first failures stop all of them."""
    system, reports = models(
        tmp_path,
        '[{"when": "Hello", "error": "model-unavailable"}]',
        model_breaker_failures=5,
        model_breaker_seconds=20,
        model_attempts_max=4,
    )
    found = await asyncio.gather(*(system.get().complete(QUESTION) for _ in range(100)), return_exceptions=True)
    assert all(isinstance(error, ModelUnavailable) for error in found)
    assert len(reports) == 5, "the others were not even begun"
    began = asyncio.get_running_loop().time()
    with pytest.raises(ModelUnavailable, match="circuit breaker") as caught:
        await system.get().complete(QUESTION)
    assert asyncio.get_running_loop().time() == began, "at once"
    assert 0 < (caught.value.after_seconds or 0) <= 20


@pytest.mark.virtual_time
async def test_the_cache_and_coalescing_are_settings(tmp_path: Path) -> None:
    text = '[{"text": "one", "delay_seconds": 1}, {"text": "two", "delay_seconds": 1}, {"text": "three"}]'
    system, reports = models(tmp_path, text, model_cache_seconds=60, model_coalesce=True)
    answers = await asyncio.gather(*(system.get().complete(QUESTION) for _ in range(5)))
    again = await system.get().complete(QUESTION)
    assert {answer.text for answer in (*answers, again)} == {"one"}
    assert len(reports) == 1
    system, reports = models(tmp_path, text)
    answers = await asyncio.gather(*(system.get().complete(QUESTION) for _ in range(2)))
    assert {answer.text for answer in answers} == {"one", "two"}, "both are off unless they are asked for"


@pytest.mark.virtual_time
async def test_fallback_is_a_setting(tmp_path: Path) -> None:
    second = script(tmp_path, '[{"text": "from the second"}]', "second.json")
    system, _ = models(
        tmp_path,
        '[{"error": "model-unauthorized"}]',
        model_fallback=f"ollama/nobody-there, {second}",
        model_attempts_max=1,
        ollama_base_url="http://127.0.0.1:9",
    )
    assert (await system.get().complete(QUESTION)).text == "from the second"
    await system.close()


@pytest.mark.virtual_time
async def test_offline_may_be_the_last_resort(tmp_path: Path) -> None:
    system, _ = models(tmp_path, '[{"error": "model-unavailable"}]', model_fallback="offline", model_attempts_max=1)
    assert "No model is configured" in (await system.get().complete(QUESTION)).text


@pytest.mark.virtual_time
async def test_prices_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(
        '{"scripted": {"read_on": "2026-11-20", "per_million_tokens": {"*": {"input": "1", "output": "1"}}}}'
    )
    text = '[{"text": "x", "usage": {"input_tokens": 1000, "output_tokens": 1000}}]'
    system, _ = models(tmp_path, text, prices_file=tmp_path / "prices.json")
    response = await system.get().complete(QUESTION)
    assert response.cost is not None
    assert response.cost.amount == Decimal("0.002")


def test_every_provider_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    for provider in PROVIDERS:
        assert f"`{provider}" in page, provider


def test_an_image_for_a_model_that_nobody_declared_is_refused_in_words() -> None:
    request = ModelRequest(messages=(user(ImagePart(data=b"x")),))
    with pytest.raises(Exception, match="does not support: images"):
        asyncio.run(model("vllm/a/b", AOSConfig()).complete(request))
