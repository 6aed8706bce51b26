"""What models can do: the shipped table, and the user's over it."""

from pathlib import Path

import pytest

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ml import catalogue
from AgentOperatingSystem.ml.catalogue import capabilities
from AgentOperatingSystem.ml.endpoints import COMPATIBLE


def test_a_known_model() -> None:
    can = capabilities("openai", "gpt-4o-mini")
    assert (can.vision, can.context_tokens, can.max_output_tokens) == (True, 128_000, 16_384)


def test_a_dated_version_is_the_same_model() -> None:
    assert capabilities("openai", "gpt-4o-mini-2024-07-18") == capabilities("openai", "gpt-4o-mini")
    assert capabilities("anthropic", "claude-haiku-4-5-20251001").max_output_tokens == 64_000


def test_a_family_is_what_stands_before_the_tag() -> None:
    assert capabilities("ollama", "llava:7b").vision
    assert not capabilities("ollama", "llama3.2:1b").vision


def test_an_unknown_model_sees_nothing_and_has_no_known_limit() -> None:
    can = capabilities("vllm", "nobody/knows")
    assert (can.tools, can.vision, can.context_tokens) == (True, False, None)


def test_what_a_provider_cannot_do_holds_for_all_its_models() -> None:
    assert not capabilities("perplexity", "sonar").tools
    assert not capabilities("anthropic", "claude-opus-9").seed
    assert not capabilities("anthropic", "claude-opus-4-8").sampling


def declared(folder: Path, text: str) -> Path:
    (folder / "models.json").write_text(text)
    return folder / "models.json"


def test_the_user_declares_more(tmp_path: Path) -> None:
    path = declared(tmp_path, '{"azure": {"models": {"*": {"seed": false}, "eyes": {"vision": true}}}}')
    assert capabilities("azure", "eyes", path).vision
    assert not capabilities("azure", "eyes", path).seed
    assert not capabilities("azure", "other", path).vision
    assert capabilities("openai", "gpt-4o", path) == capabilities("openai", "gpt-4o")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"azure": {"models": {"eyes": {"vision": "yes"}}}}', "vision"),
        ('{"azure": {"models": {"eyes": {"visoin": true}}}}', "visoin"),
        ("[]", "models.json"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        capabilities("azure", "eyes", declared(tmp_path, text))


def test_every_shipped_entry_is_right_and_of_a_known_provider() -> None:
    for provider, table in catalogue._shipped().items():
        assert provider in {*COMPATIBLE, "azure", "anthropic", "gemini", "ollama"}
        assert table.page.startswith("https://")
        for model in table.models:
            capabilities(provider, model)
