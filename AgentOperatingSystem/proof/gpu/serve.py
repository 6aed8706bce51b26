"""Serves a small transformer with two LoRA adapters as vLLM would: OpenAI's chat completions, the adapter as the model.

    python -m AgentOperatingSystem.proof.gpu.serve --port 8000 [--device cuda]

With `--device cuda` it needs torch, which this project does not install. Agents reach it as `azureml/…` by
`AOS_AZUREML_ENDPOINT=http://127.0.0.1:8000/v1`, or as `vllm/…`.
"""

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from AgentOperatingSystem.proof.gpu.transformer import Transformer

BASE = "base"
LETTERS_MAX = 32


def application(model: Transformer) -> Starlette:
    """The server. One request is answered at a time, as one GPU of this size would."""
    turn = asyncio.Lock()

    async def complete(request: Request) -> Response:
        asked = await request.json()
        name = asked.get("model") or BASE
        if name != BASE and name not in model.adapters:
            return JSONResponse({"error": {"message": f"there is no model {name!r}"}}, 404)
        letters = _letters(model, turn, asked, "" if name == BASE else name)
        if asked.get("stream"):
            return StreamingResponse(_events(letters), media_type="text/event-stream")
        text = "".join([letter async for letter in letters])
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "length"}
        return JSONResponse({"model": name, "choices": [choice], "usage": {"completion_tokens": len(text)}})

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])


async def _letters(model: Transformer, turn: asyncio.Lock, asked: dict[str, Any], adapter: str) -> AsyncIterator[str]:
    prompt = "\n".join(message.get("content") or "" for message in asked["messages"])
    async with turn:
        said = model.say(prompt, adapter, asked.get("max_tokens") or LETTERS_MAX)
        while letter := await asyncio.to_thread(next, said, ""):
            yield letter


async def _events(letters: AsyncIterator[str]) -> AsyncIterator[str]:
    async for letter in letters:
        yield _event({"choices": [{"delta": {"content": letter}}]})
    yield _event({"choices": [{"delta": {}, "finish_reason": "length"}]})
    yield "data: [DONE]\n\n"


def _event(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A small random transformer with two LoRA adapters, over HTTP.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--device", default="cpu", help="cpu (numpy), or a device of torch such as cuda")
    parser.add_argument("--adapters", default="ceo,cfo", help="their names, with commas between")
    given = parser.parse_args()
    model = Transformer(tuple(given.adapters.split(",")), device=given.device)
    uvicorn.run(application(model), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
