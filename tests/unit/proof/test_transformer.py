"""The small transformer with LoRA adapters: real arithmetic, two adapters switched per request, served as vLLM does."""

import asyncio
import socket

import numpy
import pytest
import uvicorn

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import UnknownModel
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.registry import Models
from AgentOperatingSystem.proof.gpu.serve import application
from AgentOperatingSystem.proof.gpu.transformer import SCALE, Transformer

MODEL = Transformer(("ceo", "cfo"))
SAID = [10, 20, 30, 40]


def test_adapters_change_what_is_said_and_the_same_one_says_the_same() -> None:
    base, ceo, cfo = ("".join(MODEL.say("Shall we?", name, 16)) for name in ("", "ceo", "cfo"))
    assert len({base, ceo, cfo}) == 3
    assert "".join(MODEL.say("Shall we?", "ceo", 16)) == ceo
    with pytest.raises(KeyError):
        next(MODEL.say("Shall we?", "cto"))


def test_an_adapter_is_what_its_merged_weights_are() -> None:
    merged, lora = Transformer(), MODEL.adapters["ceo"]
    for place, layer in enumerate(merged._layers):
        for name in ("query", "output"):
            layer[name] = layer[name] + SCALE * lora.down[place] @ lora.up[place]
    assert numpy.allclose(merged.logits(SAID), MODEL.logits(SAID, lora), atol=1e-5)
    assert not numpy.allclose(MODEL.logits(SAID), MODEL.logits(SAID, lora), atol=1e-2)


def test_nobody_looks_ahead() -> None:
    assert numpy.allclose(MODEL.logits(SAID)[:2], MODEL.logits([*SAID[:2], 1, 2])[:2], atol=1e-5)


async def test_two_adapters_are_switched_per_request_behind_the_same_endpoint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(application(MODEL), log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await _ask(listener.getsockname()[1])
        server.should_exit = True
        await serving


async def _ask(port: int) -> None:
    models = Models(AOSConfig(azureml_endpoint=f"http://127.0.0.1:{port}/v1", azureml_key="k"))
    gpu = models.get("azureml/base")
    asked = [ModelRequest.ask("Shall we?", adapter=name, max_output_tokens=8) for name in ("ceo", "cfo", "ceo", "")]
    said = [response.text for response in await asyncio.gather(*map(gpu.complete, asked))]
    assert said == ["".join(MODEL.say("Shall we?", request.adapter, 8)) for request in asked]
    streamed = [delta async for delta in gpu.stream(asked[0])]
    assert "".join(delta.text for delta in streamed) == said[0]
    assert len(streamed) == 9
    with pytest.raises(UnknownModel, match="there is no model 'cto'"):
        await gpu.complete(ModelRequest.ask("?", adapter="cto"))
    await models.close()
