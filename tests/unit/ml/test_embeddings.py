"""Embeddings of providers, against a server on loopback that answers as their pages say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError, MalformedAnswer, RateLimited, UnknownModel
from AgentOperatingSystem.ml.embeddings import BATCH_MAX, embedder
from tests.loopback import Answer, Asked, serving

# https://platform.openai.com/docs/api-reference/embeddings/create, in an order of its own
OPENAI = {
    "object": "list",
    "data": [
        {"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
        {"object": "embedding", "index": 0, "embedding": [1, 0.25]},
    ],
    "model": "m",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
# https://docs.ollama.com/api/embed
OLLAMA = {"model": "m", "embeddings": [[1.0, 0.25], [0.5, 1.0]], "total_duration": 14143917, "prompt_eval_count": 8}
# https://ai.google.dev/api/embeddings
GEMINI = {"embeddings": [{"values": [1.0, 0.25]}, {"values": [0.5, 1.0]}]}
WIRES = [
    ("openai", "openai_base_url", "/embeddings", OPENAI, {"model": "m", "input": ["a", "b"]}),
    ("compatible", "compatible_base_url", "/embeddings", OPENAI, {"model": "m", "input": ["a", "b"]}),
    ("ollama", "ollama_base_url", "/api/embed", OLLAMA, {"model": "m", "input": ["a", "b"]}),
    (
        "gemini",
        "gemini_base_url",
        "/v1beta/models/m:batchEmbedContents",
        GEMINI,
        {
            "requests": [
                {"model": "models/m", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_DOCUMENT"}
                for text in "ab"
            ]
        },
    ),
]


def says(document: Any, status: int = 200) -> Callable[[Asked], Answer]:
    return lambda asked: Answer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


@pytest.mark.parametrize(("provider", "setting", "path", "document", "body"), WIRES, ids=[each[0] for each in WIRES])
async def test_texts_become_vectors(provider: str, setting: str, path: str, document: Any, body: Any) -> None:
    async with serving(says(document)) as server:
        made = embedder(f"{provider}/m", AOSConfig(**{setting: server.url}))
        assert list(await made.passages(["a", "b"])) == [[1.0, 0.25], [0.5, 1.0]]
        assert (server.asked[0].target, json.loads(server.asked[0].body)) == (path, body)
        assert (made.name, made.by_rarity) == (f"{provider}/m", False)
        await made.close()


async def test_azure_asks_the_deployment_with_its_key() -> None:
    async with serving(says(OPENAI)) as server:
        config = AOSConfig(azure_openai_endpoint=server.url, azure_openai_key="a-key-for-azure")
        made = embedder("azure/m", config)
        await made.passages(["a", "b"])
        dated = embedder(
            "azure/m", AOSConfig(**config.model_dump(exclude_defaults=True), azure_openai_api_version="v1")
        )
        await dated.passages(["a", "b"])
        await made.close()
        await dated.close()
    assert [each.target for each in server.asked] == [
        "/openai/v1/embeddings",
        "/openai/deployments/m/embeddings?api-version=v1",
    ]
    assert {each.headers["api-key"] for each in server.asked} == {"a-key-for-azure"}


async def test_gemini_is_told_that_it_is_a_question() -> None:
    async with serving(says({"embeddings": [{"values": [1, 2]}]})) as server:
        made = embedder("gemini/m", AOSConfig(gemini_base_url=server.url))
        assert await made.question("a?") == [1.0, 2.0]
        await made.close()
    assert json.loads(server.asked[0].body)["requests"][0]["taskType"] == "RETRIEVAL_QUERY"


async def test_many_texts_go_in_several_calls() -> None:
    def answer(asked: Asked) -> Answer:
        return says({"embeddings": [[1.0]] * len(json.loads(asked.body)["input"])})(asked)

    async with serving(answer) as server:
        made = embedder("ollama/m", AOSConfig(ollama_base_url=server.url))
        assert len(await made.passages(["x"] * (BATCH_MAX + 1))) == BATCH_MAX + 1
        await made.close()
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "document", [{}, {"embeddings": []}, {"embeddings": [["x"]]}, {"embeddings": [[], []]}, {"embeddings": [[1.0]]}]
)
async def test_another_shape_is_a_malformed_answer(document: Any) -> None:
    async with serving(says(document)) as server:
        made = embedder("ollama/m", AOSConfig(ollama_base_url=server.url))
        with pytest.raises(MalformedAnswer, match="ollama/m"):
            await made.passages(["a", "b"])
        await made.close()


async def test_a_busy_provider_is_the_models_error() -> None:
    async with serving(says({"error": {"message": "slow down"}}, 429)) as server:
        made = embedder("openai/m", AOSConfig(openai_base_url=server.url))
        with pytest.raises(RateLimited, match="slow down"):
            await made.question("a")
        await made.close()


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConfigurationError, match="openai_api_key"):
        embedder("openai/m", AOSConfig())
    for name in ("anthropic/m", "local/m", "openai/", "x"):
        with pytest.raises(UnknownModel, match="embedding_model"):
            embedder(name, AOSConfig())
