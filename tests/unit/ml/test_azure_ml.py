"""Online endpoints of Azure Machine Learning: a real server on loopback that is cold, busy, slow, or hangs up."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import (
    ConfigurationError,
    MalformedAnswer,
    ModelUnauthorized,
    ModelUnavailable,
    RateLimited,
    UnknownModel,
    UnsupportedRequest,
)
from AgentOperatingSystem.ml.azure_ml import SCOPE, read_file
from AgentOperatingSystem.ml.azure_ml_faults import refused
from AgentOperatingSystem.ml.records import ModelRequest, OutputSchema, ToolSpec
from AgentOperatingSystem.ml.registry import Models
from AgentOperatingSystem.ml.tokens import RenewedToken, Token, TokenHeaders
from AgentOperatingSystem.proof.gpu.endpoint import Service, serving
from tests.clocks import ManualClock

HELLO = ModelRequest.ask("Hello!")
KEY = "k-0123456789"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving(Service(retry_seconds=0.05)) as running:
        yield running


def models(service: Service, **settings: Any) -> Models:
    """The models of a system with one endpoint, whose waits cost the test nothing."""
    given = {"azureml_endpoint": f"{service.url}/v1", "azureml_key": KEY} | settings
    return Models(AOSConfig(**given), clock=ManualClock())


def in_file(folder: Path, service: Service, **endpoint: Any) -> Models:
    """The models of a system whose file has the one endpoint `gpu`."""
    path = folder / "endpoints.json"
    path.write_text(json.dumps({"endpoints": {"gpu": {"url": f"{service.url}/v1", "auth": "key"} | endpoint}}))
    return Models(AOSConfig(azureml_endpoints_file=path, azureml_key=KEY), clock=ManualClock())


async def test_it_answers_by_its_key(service: Service) -> None:
    system = models(service)
    response = await system.get("azureml/llama").complete(HELLO)
    assert (response.text, response.provider, response.usage.input_tokens) == ("llama: Hello!", "azureml", 10)
    (asked,) = service.asked
    assert (asked.path, asked.headers["authorization"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    await system.close()


async def test_an_adapter_takes_the_models_place_and_a_deployment_is_named(tmp_path: Path, service: Service) -> None:
    system = in_file(tmp_path, service, deployment="blue", model="llama")
    gpu = system.get("azureml/gpu")
    assert (await gpu.complete(ModelRequest.ask("Hi", adapter="ceo"))).text == "ceo: Hi"
    assert (await gpu.complete(ModelRequest.ask("Hi", adapter="cfo"))).text == "cfo: Hi"
    assert (await gpu.complete(ModelRequest.ask("Hi"))).text == "llama: Hi"
    assert {asked.headers["azureml-model-deployment"] for asked in service.asked} == {"blue"}
    await system.close()


async def test_it_streams_and_calls_tools(service: Service) -> None:
    system = models(service)
    deltas = [delta async for delta in system.get("azureml/llama").stream(HELLO)]
    assert [delta.text for delta in deltas if delta.text] == ["llama: ", "Hello!"]
    assert deltas[-1].response is not None
    assert deltas[-1].response.usage.output_tokens == 5
    with_tool = ModelRequest.ask("Look!", tools=(ToolSpec(name="look"),))
    (call,) = (await system.get("azureml/llama").complete(with_tool)).tool_calls
    assert (call.name, call.arguments) == ("look", {"data": "Look!"})
    streamed = [delta async for delta in system.get("azureml/llama").stream(with_tool)][-1].response
    assert streamed is not None
    assert streamed.tool_calls[0].name == "look"
    await system.close()


@pytest.mark.parametrize("fault", ["503", "429", "408", "424", "cut"])
async def test_what_passes_is_tried_again(service: Service, fault: str) -> None:
    service.plan += [fault, fault]
    system = models(service)
    assert (await system.get("azureml/llama").complete(HELLO)).text == "llama: Hello!"
    assert len(service.asked) == 3
    await system.close()


async def test_a_stream_that_is_cut_never_looks_whole(service: Service) -> None:
    service.plan += ["cut"]
    system = models(service)
    with pytest.raises(ModelUnavailable, match="cut off"):
        async for _ in system.get("azureml/llama").stream(HELLO):
            pass
    await system.close()


async def test_slow_tokens_end_at_the_time_limit(service: Service) -> None:
    service.token_seconds = 5.0
    system = models(service, model_attempts_max=1)
    with pytest.raises(ModelUnavailable, match=r"within 0\.2 s"):
        async for _ in system.get("azureml/llama").stream(ModelRequest.ask("a b", timeout_seconds=0.2)):
            pass
    await system.close()


async def test_an_endpoint_that_stays_cold_opens_the_breaker(service: Service) -> None:
    service.plan += ["503"] * 100
    system = models(service, model_breaker_failures=3, model_attempts_max=9)
    with pytest.raises(ModelUnavailable, match="circuit breaker"):
        await system.get("azureml/llama").complete(HELLO)
    assert len(service.asked) == 3
    await system.close()


async def test_identical_requests_in_flight_are_one(tmp_path: Path, service: Service) -> None:
    service.answer_seconds = 0.05
    system = in_file(tmp_path, service)
    gpu = system.get("azureml/gpu")
    answers = await asyncio.gather(*(gpu.complete(HELLO) for _ in range(20)))
    assert {answer.text for answer in answers} == {"base: Hello!"}
    assert len(service.asked) == 1
    await system.close()


# --- tokens ---------------------------------------------------------------------------------------------------------


class Desk:
    """Gives tokens: t-1, t-2, …, an hour each."""

    def __init__(self, clock: ManualClock) -> None:
        self.given = 0
        self.clock = clock

    async def __call__(self) -> Token:
        self.given += 1
        await asyncio.sleep(0)
        return Token(f"t-{self.given}", self.clock.now() + 3600)


async def test_a_token_is_kept_shared_renewed_in_time_and_after_a_401(service: Service) -> None:
    clock = ManualClock()
    desk = Desk(clock)
    config = AOSConfig(azureml_endpoint=f"{service.url}/v1")
    system = Models(config, clock=clock, ml_tokens=desk)
    gpu = system.get("azureml/llama")
    service.letters = {"t-1"}
    await asyncio.gather(*(gpu.complete(ModelRequest.ask(str(number))) for number in range(5)))
    assert desk.given == 1
    clock.time += 3400
    service.letters = {"t-2"}
    await gpu.complete(HELLO)
    assert desk.given == 2
    service.letters = {"t-3"}  # revoked before its end
    await asyncio.gather(*(gpu.complete(ModelRequest.ask(str(number))) for number in range(5)))
    assert desk.given == 3
    service.letters = {"nobody's"}
    with pytest.raises(ModelUnauthorized, match="AzureML Data Scientist"):
        await gpu.complete(HELLO)
    await system.close()


async def test_only_the_token_that_was_refused_is_dropped() -> None:
    clock = ManualClock()
    token = RenewedToken(Desk(clock), clock)
    headers = TokenHeaders(token, {"azureml-model-deployment": "blue"})
    first = await headers()
    assert first == {"azureml-model-deployment": "blue", "Authorization": "Bearer t-1"}
    assert await headers.renewed(first)
    second = await headers()
    assert await headers.renewed(first)  # a call that was under way for longer
    assert await headers() == second


async def test_without_a_key_the_hosts_identity_is_asked_for_the_right_scope(service: Service) -> None:
    asked: list[str] = []

    class Identity:
        async def get_token(self, scope: str) -> Any:
            asked.append(scope)
            return type("AccessToken", (), {"token": "t", "expires_on": 9e9})()

    config = AOSConfig(azureml_endpoint=f"{service.url}/v1")
    system = Models(config, clock=ManualClock(), credential=Identity())
    service.letters = {"t"}
    await system.get("azureml/llama").complete(HELLO)
    assert asked == [SCOPE] == ["https://ml.azure.com/.default"]
    await system.close()


async def test_a_key_in_a_file_of_its_own(tmp_path: Path, service: Service) -> None:
    (tmp_path / "gpu.key").write_text("a-key-of-its-own\n")
    service.letters = {"a-key-of-its-own"}
    system = in_file(tmp_path, service, key_file="gpu.key")
    await system.get("azureml/gpu").complete(HELLO)
    await system.close()


# --- scoring scripts ------------------------------------------------------------------------------------------------


async def test_a_scoring_script_with_the_catalogues_shape(tmp_path: Path, service: Service) -> None:
    system = in_file(tmp_path, service, shape="score", url=f"{service.url}/score")
    gpu = system.get("azureml/gpu")
    asked = ModelRequest.ask("Hi", instructions="Be brief.", max_output_tokens=7, adapter="ceo")
    assert (await gpu.complete(asked)).text == "ceo: Hi"
    (sent,) = service.asked
    assert sent.path == "/score"
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    parameters = {"max_new_tokens": 7, "adapter": "ceo"}
    assert sent.body == {"input_data": {"input_string": said, "parameters": parameters}}
    with pytest.raises(UnsupportedRequest, match="tools"):
        await gpu.complete(ModelRequest.ask("Hi", tools=(ToolSpec(name="look"),)))
    schema = OutputSchema(schema={"type": "object"})
    with pytest.raises(MalformedAnswer, match="base: Hi"):
        await gpu.complete(ModelRequest.ask("Hi", json_schema=schema))  # told to the model, and checked
    assert "JSON schema" in service.asked[-1].body["input_data"]["input_string"][0]["content"]
    await system.close()


# --- what is configured wrong ---------------------------------------------------------------------------------------


def test_no_endpoint_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"azureml/llama needs the setting azureml_endpoint \(AOS_AZUREML_END"):
        Models(AOSConfig()).get("azureml/llama")


def test_a_name_that_the_file_does_not_have(tmp_path: Path) -> None:
    system = in_file(tmp_path, Service(url="http://127.0.0.1:9"))
    with pytest.raises(ConfigurationError, match=r"azureml/cpu: .*endpoints.json has no such endpoint: gpu"):
        system.get("azureml/cpu")


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ({"url": "ftp://x"}, "write https"),
        ({"url": "https://x", "at_once_max": 0}, "at_once_max is 1 or more"),
        ({"url": "https://x", "shape": "scores"}, "shape"),
        ({"url": "https://x", "concurency": 8}, "concurency"),
        ({"url": "https://x", "score": {"input": {"q": "{qestion}"}}}, r"no placeholder \{qestion\}"),
        ({"url": "https://x", "score": {"output": "output"}}, "no JSON Pointer"),
        ({"url": "https://x", "capabilities": {"visoin": True}}, "visoin"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, endpoint: dict[str, Any], why: str) -> None:
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps({"endpoints": {"gpu": endpoint}}))
    with pytest.raises(ConfigurationError, match=why) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    system = in_file(tmp_path, Service(url="http://127.0.0.1:9"), key_file="no.key")
    with pytest.raises(ConfigurationError, match=r"key_file .*no.key: cannot be read"):
        system.get("azureml/gpu")


# --- what refusals mean ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "kind", "why"),
    [
        (408, {}, ModelUnavailable, "request_timeout_ms"),
        (404, {}, ModelUnavailable, "no deployment of the endpoint takes traffic"),
        (403, {}, ModelUnauthorized, "onlineEndpoints/score/action"),
        (429, {"retry-after": "7"}, RateLimited, "429"),
        (503, {}, ModelUnavailable, "503"),
        (424, {"ms-azureml-model-error-statuscode": "404"}, UnknownModel, "its model: 404"),
        (424, {"ms-azureml-model-error-statuscode": "503"}, ModelUnavailable, "its model: 503"),
        (424, {}, ModelUnavailable, "its model: 503"),
    ],
)
def test_what_a_refusal_means(status: int, headers: dict[str, str], kind: type[Exception], why: str) -> None:
    error = refused("azureml/gpu", status, {"error": {"message": "so it is"}}, headers)
    assert type(error) is kind
    assert why in str(error)
    assert "so it is" in str(error)


def test_an_adapter_that_the_server_has_not_loaded() -> None:
    error = refused("azureml/gpu", 404, {"message": "The model `ceo` does not exist."}, {})
    assert type(error) is UnknownModel
