"""Every provider by name: how its model is made, what it answers as published, and how it wants to be asked.

A new provider is a line in `CASES` and a file in model_answers/: the whole suite runs on it then.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.ml import azure_ml, remote
from AgentOperatingSystem.ml.endpoints import COMPATIBLE
from AgentOperatingSystem.ml.ports import ModelProvider
from tests.contract.model_server import Reply

KEY = "sk-canary-0123456789abcdef"
FOLDER = Path(__file__).parent / "model_answers"
Family = Literal["openai", "anthropic", "gemini", "ollama"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One provider."""

    name: str
    model: str
    answers: str = "openai"
    family: Family = "openai"
    settings: dict[str, str]
    """The settings of its model; `{url}` stands for the server."""
    path: str
    stream_path: str = ""
    credentials: tuple[str, str] = ("authorization", f"Bearer {KEY}")
    moved: bool = False
    """Its address is fixed, so the test moves it."""
    # How it wants to be asked, where the members of its family differ.
    names_model: bool = True
    max_tokens: str = "max_completion_tokens"
    seed: str = "seed"
    """Empty: it takes none."""
    stop: bool = True
    tools: bool = True
    demand: str = "required"
    """How a tool is demanded; empty: it cannot be."""
    asks_for_usage: bool = True

    @property
    def provider(self) -> str:
        return self.model.partition("/")[0]

    @property
    def own_model(self) -> str:
        return self.model.partition("/")[2]

    def make(self, url: str, **settings: Any) -> ModelProvider:
        """The bare model, without wrappers."""
        given = {name: value.format(url=url) for name, value in self.settings.items()}
        config = AOSConfig(**({"model_timeout_seconds": 20} | given | settings))
        if self.provider == azure_ml.PROVIDER:
            return azure_ml.Endpoints(config, SystemClock()).reach(self.own_model).provider
        return remote.build(self.provider, self.own_model, config, _entra if self.name == "azure-entra" else None)

    def move(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lets a provider with a fixed address be found at this one."""
        if self.moved:
            endpoint = msgspec.structs.replace(COMPATIBLE[self.provider], base_url=f"{url}/v1")
            monkeypatch.setitem(COMPATIBLE, self.provider, endpoint)


async def _entra() -> str:
    return KEY


def _compatible(name: str, model: str, *, answers: str = "openai", **differs: Any) -> Case:
    return Case(
        name=name,
        model=f"{name}/{model}",
        answers=answers,
        settings={f"{name}_api_key": KEY},
        path="/v1/chat/completions",
        moved=True,
        max_tokens="max_tokens",
        **differs,
    )


_DEPLOYMENT = "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21"
_CASES = (
    Case(
        name="openai",
        model="openai/gpt-4o-mini",
        settings={"openai_base_url": "{url}/v1", "openai_api_key": KEY},
        path="/v1/chat/completions",
    ),
    Case(
        name="azure",
        model="azure/gpt-4o-mini",
        answers="azure",
        settings={
            "azure_openai_endpoint": "{url}",
            "azure_openai_key": KEY,
            "azure_openai_api_version": "2024-10-21",
        },
        path=_DEPLOYMENT,
        credentials=("api-key", KEY),
        names_model=False,
    ),
    Case(
        name="azure-entra",
        model="azure/gpt-4o-mini",
        answers="azure",
        settings={"azure_openai_endpoint": "{url}"},
        path="/openai/v1/chat/completions",
    ),
    _compatible("groq", "llama-3.3-70b-versatile"),
    _compatible(
        "perplexity", "sonar", answers="perplexity", asks_for_usage=False, tools=False, stop=False, seed="", demand=""
    ),
    _compatible(
        "mistral",
        "mistral-small-latest",
        answers="mistral",
        asks_for_usage=False,
        seed="random_seed",
        demand="any",
    ),
    _compatible("openrouter", "openai/gpt-4o-mini", answers="openrouter"),
    _compatible("huggingface", "meta-llama/Llama-3.1-8B-Instruct"),
    Case(
        name="vllm",
        model="vllm/nobody/knows",
        answers="vllm",
        settings={"vllm_base_url": "{url}/v1", "vllm_api_key": KEY},
        path="/v1/chat/completions",
        max_tokens="max_tokens",
    ),
    Case(
        name="azureml",
        model="azureml/nobody/knows",
        answers="vllm",
        settings={"azureml_endpoint": "{url}/v1", "azureml_key": KEY},
        path="/v1/chat/completions",
        max_tokens="max_tokens",
    ),
    Case(
        name="compatible",
        model="compatible/llama3.2",
        settings={"compatible_base_url": "{url}/v1", "compatible_api_key": KEY},
        path="/v1/chat/completions",
        max_tokens="max_tokens",
    ),
    Case(
        name="anthropic",
        model="anthropic/claude-opus-4-6",
        answers="anthropic",
        family="anthropic",
        settings={"anthropic_base_url": "{url}", "anthropic_api_key": KEY},
        path="/v1/messages",
        credentials=("x-api-key", KEY),
        seed="",
    ),
    Case(
        name="gemini",
        model="gemini/gemini-2.5-flash",
        answers="gemini",
        family="gemini",
        settings={"gemini_base_url": "{url}", "gemini_api_key": KEY},
        path="/v1beta/models/gemini-2.5-flash:generateContent",
        stream_path="/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        credentials=("x-goog-api-key", KEY),
    ),
    Case(
        name="ollama",
        model="ollama/llama3.2",
        answers="ollama",
        family="ollama",
        settings={"ollama_base_url": "{url}", "ollama_api_key": KEY},
        path="/api/chat",
        demand="",
    ),
)
CASES = {case.name: case for case in _CASES}


class Published:
    """The answers that a provider has published, ready to be served."""

    def __init__(self, case: Case) -> None:
        own = json.loads((FOLDER / f"{case.answers}.json").read_text())
        basis = json.loads((FOLDER / f"{own['like']}.json").read_text()) if "like" in own else {"errors": {}}
        errors = basis["errors"] | own.get("errors", {})
        self._exchanges: dict[str, Any] = basis | own | {"errors": errors}
        self._case = case

    def __contains__(self, kind: str) -> bool:
        return kind in self._exchanges

    def __getitem__(self, kind: str) -> dict[str, Any]:
        exchange: dict[str, Any] = self._exchanges[kind]
        return exchange

    def errors(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._exchanges["errors"]
        return found

    def reply(self, kind: str, **changes: Any) -> Reply:
        """The answer to be served: whole, or as the provider's own kind of stream."""
        exchange = self._exchanges[kind]
        if "events" in exchange:
            return self.streamed(exchange["events"], **changes)
        return Reply(body=json.dumps(exchange["answer"]).encode(), **changes)

    def streamed(self, events: list[Any], **changes: Any) -> Reply:
        if self._case.family == "ollama":
            frames = [json.dumps(event).encode() + b"\n" for event in events]
            return Reply(frames=frames, media_type="application/x-ndjson", **changes)
        comment = [f"{self._exchanges['comment']}\n\n".encode()] if "comment" in self._exchanges else []
        end = [b"data: [DONE]\n\n"] if self._case.family == "openai" and not changes.get("cut") else []
        frames = [*comment, *(self._event(event) for event in events), *end]
        return Reply(frames=frames, media_type="text/event-stream", **changes)

    def refusal(self, code: str, headers: dict[str, str] | None = None) -> Reply:
        """The answer with this error; `{key}` in it is the key that was sent."""
        error = self.errors()[code]
        body = json.dumps(error["body"]).replace("{key}", KEY)
        return Reply(status=error["status"], headers=headers or {}, body=body.encode())

    def _event(self, event: dict[str, Any]) -> bytes:
        named = f"event: {event['type']}\n" if self._case.family == "anthropic" else ""
        return f"{named}data: {json.dumps(event)}\n\n".encode()
