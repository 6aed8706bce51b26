"""Embeddings of providers: `embedder("openai/text-embedding-3-small", config)` over the same HTTP edge as the models.

The composition makes one where the setting `embedding_model` names one, and hands it to the knowledge base, whose port
it fits (`knowledge.ports.Embedder`) without knowing it. Wires: OpenAI's `/embeddings` (and everything compatible, Azure
too), Ollama's `/api/embed`, Gemini's `batchEmbedContents`; each from the provider's own page, named below.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import MalformedAnswer, UnknownModel
from AgentOperatingSystem.ml.azure import TokenProvider
from AgentOperatingSystem.ml.endpoints import COMPATIBLE
from AgentOperatingSystem.ml.http import HttpEdge
from AgentOperatingSystem.ml.remote import reached

PROVIDERS = (*COMPATIBLE, "azure", "gemini", "ollama")
BATCH_MAX = 64
Body = dict[str, Any]


class EmbeddingWire(msgspec.Struct, frozen=True):
    """How texts are asked for, and where the vectors stand in the answer."""

    path: str
    body: Callable[[Sequence[str], bool], Body]
    """Of the texts, and whether they are questions."""
    read: Callable[[Any], list[list[float]]]


class _Numbered(msgspec.Struct):
    index: int
    embedding: list[float]


class _OpenAI(msgspec.Struct):
    data: list[_Numbered]


class _Ollama(msgspec.Struct):
    embeddings: list[list[float]]


class _Values(msgspec.Struct):
    values: list[float]


class _Gemini(msgspec.Struct):
    embeddings: list[_Values]


class RemoteEmbedder:
    """A provider's embedder. Calls raise the port's `ModelError`s."""

    by_rarity = False
    floor = 0.2

    def __init__(self, name: str, wire: EmbeddingWire, edge: HttpEdge, timeout_seconds: float) -> None:
        self.name = name
        self._wire = wire
        self._edge = edge
        self._timeout_seconds = timeout_seconds

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each text, `BATCH_MAX` in one call."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH_MAX):
            vectors += await self._asked(texts[start : start + BATCH_MAX], False)
        return vectors

    async def question(self, text: str) -> list[float]:
        """The vector of what is searched for; some providers make another one than for a passage."""
        return (await self._asked([text], True))[0]

    async def close(self) -> None:
        """Lets go of connections."""
        await self._edge.close()

    async def _asked(self, texts: Sequence[str], asking: bool) -> list[list[float]]:
        answer = await self._edge.call(self._wire.path, self._wire.body(texts, asking), self._timeout_seconds)
        try:
            vectors = self._wire.read(answer)
        except msgspec.ValidationError as error:
            raise MalformedAnswer(f"{self.name} answered in another shape than documented: {error}") from None
        if len(vectors) != len(texts) or any(not vector for vector in vectors):
            raise MalformedAnswer(f"{self.name} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors


def embedder(name: str, config: AOSConfig, tokens: TokenProvider | None = None) -> RemoteEmbedder:
    """The embedder `provider/model`, not yet connected.

    Raises `UnknownModel` for a provider without embeddings, `ConfigurationError` where a key or an address is missing.
    """
    provider, _, model = name.partition("/")
    if provider not in PROVIDERS or not model:
        raise UnknownModel(
            f"embedding_model {name!r}: write local, or provider/model with one of {', '.join(PROVIDERS)}"
        )
    _, base_url, headers = reached(provider, model, config, tokens)
    edge = HttpEdge(name, base_url, headers)
    return RemoteEmbedder(name, _wire(provider, model, config), edge, config.model_timeout_seconds)


def _wire(provider: str, model: str, config: AOSConfig) -> EmbeddingWire:
    if provider == "ollama":  # https://docs.ollama.com/api/embed
        return EmbeddingWire("/api/embed", lambda texts, _: {"model": model, "input": list(texts)}, _read_ollama)
    if provider == "gemini":  # https://ai.google.dev/api/embeddings
        return EmbeddingWire(f"/v1beta/models/{model}:batchEmbedContents", _gemini_body(model), _read_gemini)
    version = config.azure_openai_api_version
    if provider == "azure" and version:  # https://learn.microsoft.com/azure/ai-foundry/openai/reference
        path = f"/deployments/{model}/embeddings?api-version={version}"
        return EmbeddingWire(path, lambda texts, _: {"input": list(texts)}, _read_openai)
    # https://platform.openai.com/docs/api-reference/embeddings
    path = "/v1/embeddings" if provider == "azure" else "/embeddings"
    return EmbeddingWire(path, lambda texts, _: {"model": model, "input": list(texts)}, _read_openai)


def _gemini_body(model: str) -> Callable[[Sequence[str], bool], Body]:
    def body(texts: Sequence[str], asking: bool) -> Body:
        task = "RETRIEVAL_QUERY" if asking else "RETRIEVAL_DOCUMENT"
        return {"requests": [_gemini_request(model, text, task) for text in texts]}

    return body


def _gemini_request(model: str, text: str, task: str) -> Mapping[str, Any]:
    return {"model": f"models/{model}", "content": {"parts": [{"text": text}]}, "taskType": task}


def _read_openai(answer: Any) -> list[list[float]]:
    found = msgspec.convert(answer, _OpenAI, strict=False).data
    return [each.embedding for each in sorted(found, key=lambda each: each.index)]


def _read_ollama(answer: Any) -> list[list[float]]:
    return msgspec.convert(answer, _Ollama, strict=False).embeddings


def _read_gemini(answer: Any) -> list[list[float]]:
    return [each.values for each in msgspec.convert(answer, _Gemini, strict=False).embeddings]
