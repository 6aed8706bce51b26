"""What every `ModelProvider` promises, asked of every provider: each speaks to a server on this machine that answers
with what the provider has published (model_answers/).
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from AgentOperatingSystem import errors
from AgentOperatingSystem.errors import (
    ContentFiltered,
    MalformedAnswer,
    ModelError,
    ModelUnavailable,
    RateLimited,
    Unavailable,
    UnknownModel,
    UnsupportedRequest,
)
from AgentOperatingSystem.ml import http
from AgentOperatingSystem.ml.messages import ImagePart, ToolCall, user
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse, Usage
from tests.contract.model_cases import CASES, KEY, Case, Published
from tests.contract.model_requests import (
    AFTER_TOOLS,
    DEMANDED,
    PICTURE,
    QUESTION,
    TOOL,
    VERDICT,
    WITH_TOOL,
    after,
    expected_body,
    tuned_for,
)
from tests.contract.model_server import ModelServer, Reply, running

ERRORS = ("model-unauthorized", "unknown-model", "context-overflow", "content-filtered", "bad-model-request")
SEES = '{"%s": {"models": {"*": {"vision": true}}}}'


@pytest.fixture(scope="module")
def running_server() -> Iterator[ModelServer]:
    with running() as server:
        yield server


@pytest.fixture
def server(running_server: ModelServer) -> ModelServer:
    running_server.forget()
    return running_server


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> Case:
    case = CASES[request.param]
    case.move(server.url, monkeypatch)
    return case


@pytest.fixture
def published(case: Case) -> Published:
    return Published(case)


@pytest.fixture
async def model(case: Case, server: ModelServer) -> AsyncIterator[ModelProvider]:
    model = case.make(server.url)
    yield model
    await model.close()


async def heard(model: ModelProvider, request: ModelRequest) -> list[ModelDelta]:
    async with aclosing(model.stream(request)) as deltas:
        return [delta async for delta in deltas]


def usage_of(exchange: dict[str, Any]) -> tuple[int | None, ...]:
    return tuple(exchange["usage"])


def counts(usage: Usage) -> tuple[int | None, ...]:
    return usage.input_tokens, usage.output_tokens, usage.cached_tokens


def calls_of(exchange: dict[str, Any]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(*call) for call in exchange["calls"])


# --- whole answers --------------------------------------------------------------------------------------------


async def test_text(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("text"))
    said = published["text"]
    response = await model.complete(QUESTION)
    assert response.text == said["says"]
    assert (response.finish_reason, response.tool_calls, response.provider) == ("stop", (), case.provider)
    assert response.model == said["model"].format(model=case.own_model)
    assert response.id == said["id"]
    assert counts(response.usage) == usage_of(said)


async def test_the_question_is_heard(
    case: Case, published: Published, model: ModelProvider, server: ModelServer
) -> None:
    server.plan.append(published.reply("text"))
    await model.complete(QUESTION)
    (asked,) = server.asked
    assert asked.path == case.path
    assert asked.headers[case.credentials[0]] == case.credentials[1]
    assert asked.headers["content-type"] == "application/json"
    assert asked.body == expected_body(case, "question")


async def test_parameters(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("text"))
    await model.complete(tuned_for(case))
    assert server.asked[0].body == expected_body(case, "tuned")


async def test_further_options_are_sent_as_they_are(
    published: Published, model: ModelProvider, server: ModelServer
) -> None:
    server.plan.append(published.reply("text"))
    await model.complete(ModelRequest.ask("Hello!", options={"x_option": {"a": 1}}))
    assert server.asked[0].body["x_option"] == {"a": 1}


async def test_tools(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    if not case.tools:
        return await refuses(model, server, WITH_TOOL, "tools")
    server.plan.append(published.reply("tools"))
    response = await model.complete(WITH_TOOL)
    assert response.tool_calls == calls_of(published["tools"])
    assert response.text == published["tools"].get("says", "")
    assert response.finish_reason == "tool_calls"
    assert counts(response.usage) == usage_of(published["tools"])
    assert server.asked[0].body == expected_body(case, "tools")


async def test_results_of_tools(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    if not case.tools:
        return await refuses(model, server, AFTER_TOOLS, "tools")
    server.plan.append(published.reply("text"))
    await model.complete(AFTER_TOOLS)
    assert server.asked[0].body == expected_body(case, "results")


async def test_a_demanded_tool(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    demanded = ModelRequest(messages=WITH_TOOL.messages, tools=(TOOL,), tool_choice="required")
    if not case.demand:
        return await refuses(model, server, demanded, "tool_choice")
    server.plan.append(published.reply("tools"))
    await model.complete(demanded)
    await model.complete(ModelRequest(messages=WITH_TOOL.messages, tools=(TOOL,), tool_choice=DEMANDED))
    some, this = (json.dumps(asked.body) for asked in server.asked)
    assert {"openai": f'"tool_choice": "{case.demand}"', "anthropic": '{"type": "any"}'}.get(
        case.family, '{"mode": "ANY"}'
    ) in some
    assert '"get_weather"' in json.dumps(server.asked[1].body.get("tool_choice") or server.asked[1].body["toolConfig"])
    assert some != this


async def test_a_tool_call_and_its_result_go_round(
    case: Case, published: Published, model: ModelProvider, server: ModelServer
) -> None:
    if not case.tools:
        return None
    server.plan.extend([published.reply("tools"), published.reply("text")])
    response = await model.complete(WITH_TOOL)
    call = response.tool_calls[0]
    await model.complete(after(response.message, call))
    said = json.dumps(server.asked[1].body)
    assert call.name in said
    assert "done" in said
    assert call.id.startswith(("gemini-call-", "ollama-call-")) or said.count(call.id) == 2
    return None


async def test_json_schema(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("json"))
    response = await model.complete(VERDICT)
    assert response.value() == published["json"]["value"]
    assert server.asked[0].body == expected_body(case, "schema")


@pytest.mark.parametrize(("kind", "why"), [("misfit", "does not fit the schema at"), ("no_json", "is not JSON")])
async def test_an_answer_that_does_not_fit_the_schema(
    published: Published, model: ModelProvider, server: ModelServer, kind: str, why: str
) -> None:
    server.plan.append(published.reply(kind))
    with pytest.raises(MalformedAnswer, match=why) as caught:
        await model.complete(VERDICT)
    assert isinstance(caught.value.usage, Usage)
    assert caught.value.usage.input_tokens is not None


async def test_vision_where_it_is_declared(
    case: Case, published: Published, server: ModelServer, tmp_path: Any
) -> None:
    (tmp_path / "models.json").write_text(SEES % case.provider)
    model = case.make(server.url, models_file=tmp_path / "models.json")
    server.plan.append(published.reply("vision"))
    response = await model.complete(PICTURE)
    assert response.text == published["vision"]["says"]
    assert counts(response.usage) == usage_of(published["vision"])
    assert server.asked[0].body == expected_body(case, "image")
    await model.close()


async def test_images_without_vision_are_refused_before_the_call(
    case: Case, server: ModelServer, tmp_path: Any
) -> None:
    (tmp_path / "models.json").write_text((SEES % case.provider).replace("true", "false"))
    listed = case.own_model
    overriding = json.loads((SEES % case.provider).replace("true", "false"))
    overriding[case.provider]["models"][listed] = {"vision": False}
    (tmp_path / "models.json").write_text(json.dumps(overriding))
    model = case.make(server.url, models_file=tmp_path / "models.json")
    await refuses(model, server, PICTURE, "images")
    await model.close()


async def test_images_by_address(case: Case, published: Published, server: ModelServer, tmp_path: Any) -> None:
    (tmp_path / "models.json").write_text(SEES % case.provider)
    model = case.make(server.url, models_file=tmp_path / "models.json")
    request = ModelRequest(messages=(user("What is it?", ImagePart(url="https://example.org/a.png")),))
    if case.family in ("gemini", "ollama"):
        await refuses(model, server, request, "url")
    else:
        server.plan.append(published.reply("text"))
        await model.complete(request)
        assert "https://example.org/a.png" in json.dumps(server.asked[0].body)
    await model.close()


async def test_a_request_for_another_model_is_not_answered(model: ModelProvider, server: ModelServer) -> None:
    with pytest.raises(UnknownModel, match="openai/gpt-9"):
        await model.complete(ModelRequest.ask("Hello!", model="openai/gpt-9"))
    assert server.asked == []


async def refuses(model: ModelProvider, server: ModelServer, request: ModelRequest, why: str) -> None:
    with pytest.raises(UnsupportedRequest, match=why):
        await model.complete(request)
    with pytest.raises(UnsupportedRequest, match=why):
        await heard(model, request)
    assert server.asked == []


# --- streams --------------------------------------------------------------------------------------------------


async def test_stream(case: Case, published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("stream"))
    *pieces, last = await heard(model, QUESTION)
    said = published["stream"]
    assert all(piece.response is None for piece in pieces)
    assert last.response is not None
    assert "".join(piece.text for piece in pieces) == said["says"] == last.response.text
    assert counts(last.response.usage) == usage_of(said)
    assert (last.response.finish_reason, last.response.provider) == ("stop", case.provider)
    (asked,) = server.asked
    assert asked.path == (case.stream_path or case.path)
    assert asked.body.get("stream", True) is True
    if case.family == "openai":
        assert ("stream_options" in asked.body) == case.asks_for_usage


async def test_stream_of_tool_calls(
    case: Case, published: Published, model: ModelProvider, server: ModelServer
) -> None:
    if not case.tools:
        return
    server.plan.append(published.reply("tools_stream"))
    *pieces, last = await heard(model, WITH_TOOL)
    response = last.response
    assert response is not None
    assert response.tool_calls == calls_of(published["tools_stream"])
    assert response.finish_reason == "tool_calls"
    assert counts(response.usage) == usage_of(published["tools_stream"])
    told = [piece.tool_call for piece in pieces if piece.tool_call is not None]
    assert json.loads("".join(piece.arguments for piece in told)) == response.tool_calls[0].arguments
    assert next(piece.name for piece in told if piece.name) == response.tool_calls[0].name


async def test_a_stream_that_loses_its_connection(
    published: Published, model: ModelProvider, server: ModelServer
) -> None:
    server.plan.append(published.streamed(published["stream"]["events"][:1], cut=True))
    with pytest.raises(ModelUnavailable):
        await heard(model, QUESTION)


async def test_a_stream_that_ends_too_early_does_not_look_whole(
    published: Published, model: ModelProvider, server: ModelServer
) -> None:
    for length in range(published["stream"]["whole_after"]):
        server.plan.append(published.streamed(published["stream"]["events"][:length]))
        with pytest.raises(ModelUnavailable, match="cut off"):
            await heard(model, QUESTION)
        server.plan.clear()


async def test_a_stream_is_checked_like_a_whole_answer(
    published: Published, model: ModelProvider, server: ModelServer
) -> None:
    server.plan.append(published.reply("stream"))
    with pytest.raises(MalformedAnswer, match="is not JSON"):
        await heard(model, VERDICT)


async def test_an_error_within_a_stream(published: Published, model: ModelProvider, server: ModelServer) -> None:
    said = published["stream_error"]
    server.plan.append(published.streamed(said["events"]))
    with pytest.raises(ModelError) as caught:
        await heard(model, QUESTION)
    assert caught.value.code == said["code"]


async def test_an_error_instead_of_a_stream(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.refusal("rate-limited", {"retry-after": "7"}))
    with pytest.raises(RateLimited) as caught:
        await heard(model, QUESTION)
    assert caught.value.after_seconds == 7


# --- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ERRORS)
async def test_errors(published: Published, model: ModelProvider, server: ModelServer, code: str) -> None:
    if code not in published.errors():  # this one comes with status 200 there: see below
        assert code == "content-filtered"
        return
    server.plan.append(published.refusal(code))
    with pytest.raises(ModelError) as caught:
        await model.complete(QUESTION)
    assert caught.value.code == code
    assert str(published.errors()[code]["status"]) in str(caught.value)


async def test_a_429_says_when_to_come_back(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.refusal("rate-limited", {"Retry-After": "12"}))
    with pytest.raises(RateLimited) as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds == 12
    assert isinstance(caught.value, Unavailable)


async def test_a_429_without_retry_after(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.refusal("rate-limited"))
    with pytest.raises(RateLimited) as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 408])
async def test_an_outage_consumes_no_event(model: ModelProvider, server: ModelServer, status: int) -> None:
    server.plan.append(Reply(status=status, body=b"<html>upstream connect error</html>", media_type="text/html"))
    with pytest.raises(ModelUnavailable, match="upstream connect error") as caught:
        await model.complete(QUESTION)
    assert isinstance(caught.value, Unavailable)


async def test_the_providers_own_outage(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.refusal("model-unavailable"))
    with pytest.raises(ModelUnavailable):
        await model.complete(QUESTION)


async def test_nobody_listens(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "http://127.0.0.1:9"
    case.move(nowhere, monkeypatch)
    model = case.make(nowhere)
    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:9"):
        await model.complete(QUESTION)
    await model.close()


async def test_the_key_is_in_no_error(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(Reply(status=400, body=f'{{"error": "you sent {KEY}"}}'.encode()))
    with pytest.raises(ModelError) as caught:
        await model.complete(QUESTION)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    server.plan.append(published.refusal("model-unauthorized"))
    with pytest.raises(ModelError) as caught:
        await heard(model, QUESTION)
    assert KEY not in str(caught.value)


async def test_an_empty_answer(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("empty"))
    with pytest.raises(MalformedAnswer, match="empty"):
        await model.complete(QUESTION)


async def test_malformed_tool_calls(
    case: Case, published: Published, model: ModelProvider, server: ModelServer
) -> None:
    if not case.tools:
        return
    server.plan.append(published.reply("broken_tools"))
    streamed = "events" in published["broken_tools"]
    with pytest.raises(MalformedAnswer, match=r"not JSON|Malformed"):
        await (heard(model, WITH_TOOL) if streamed else model.complete(WITH_TOOL))


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b'"text"', b'{"choices": 7, "content": 7, "candidates": 7, "done": 7}']
)
async def test_an_answer_in_no_known_shape(model: ModelProvider, server: ModelServer, body: bytes) -> None:
    server.plan.append(Reply(body=body))
    with pytest.raises(MalformedAnswer):
        await model.complete(QUESTION)


async def test_an_answer_without_end_is_not_read_to_its_end(
    published: Published, model: ModelProvider, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 50)
    server.plan.append(published.reply("text"))
    with pytest.raises(MalformedAnswer, match="more than 50 bytes"):
        await model.complete(QUESTION)


@pytest.mark.parametrize("name", ["anthropic", "gemini"])
async def test_content_that_is_filtered_with_status_200(name: str, server: ModelServer) -> None:
    case = CASES[name]
    published, model = Published(case), case.make(server.url)
    kind = "filtered_stream" if "filtered_stream" in published else "filtered"
    server.plan.append(published.reply(kind))
    with pytest.raises(ContentFiltered):
        await (heard(model, QUESTION) if kind == "filtered_stream" else model.complete(QUESTION))
    await model.close()


async def test_gemini_says_in_the_body_when_to_come_back(server: ModelServer) -> None:
    case = CASES["gemini"]
    model = case.make(server.url)
    server.plan.append(Published(case).refusal("rate-limited-in-body"))
    with pytest.raises(RateLimited) as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds == 57
    await model.close()


async def test_what_a_provider_wants_to_see_again_is_shown_to_it_alone(server: ModelServer) -> None:
    gemini, openai = CASES["gemini"], CASES["openai"]
    published, model, other = Published(gemini), gemini.make(server.url), openai.make(server.url)
    server.plan.append(published.reply("tools_stream"))
    response = (await heard(model, WITH_TOOL))[-1].response
    assert isinstance(response, ModelResponse)
    turn = after(response.message, response.tool_calls[0])
    server.plan.clear()
    server.plan.extend([published.reply("text"), Published(openai).reply("text")])
    await model.complete(turn)
    await other.complete(turn)
    shown, hidden = (json.dumps(asked.body) for asked in server.asked[1:])
    assert '"thoughtSignature": "<Signature A>"' in shown
    assert "Signature A" not in hidden
    await model.close()
    await other.close()


# --- time and leaving -----------------------------------------------------------------------------------------


async def test_an_answer_that_does_not_come(model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(Reply(hang=True))
    with pytest.raises(ModelUnavailable, match=r"within 0\.05 s"):
        await model.complete(ModelRequest.ask("Hello!", timeout_seconds=0.05))
    assert await hung_up(server)


async def test_a_stream_that_stops_halfway(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.streamed(published["stream"]["events"][:1], hang=True))
    with pytest.raises(ModelUnavailable, match=r"within 0\.1 s"):
        await heard(model, ModelRequest.ask("Hello!", timeout_seconds=0.1))
    assert await hung_up(server)


async def test_cancelling_aborts_the_call(model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(Reply(hang=True))
    call = asyncio.create_task(model.complete(QUESTION))
    assert await asyncio.to_thread(server.arrived.wait, 5)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await hung_up(server)


async def test_leaving_a_stream_aborts_the_call(
    published: Published, model: ModelProvider, server: ModelServer
) -> None:
    server.plan.append(published.streamed(published["stream"]["events"][:4], hang=True))
    async with aclosing(model.stream(QUESTION)) as deltas:
        assert (await anext(deltas)).text
    assert await hung_up(server)


async def hung_up(server: ModelServer) -> bool:
    return await asyncio.to_thread(server.hung_up.wait, 5)


async def test_many_at_once(published: Published, model: ModelProvider, server: ModelServer) -> None:
    server.plan.append(published.reply("text"))
    answers = await asyncio.gather(*(model.complete(QUESTION) for _ in range(8)))
    assert len({answer.text for answer in answers}) == 1
    assert len(server.asked) == 8


async def test_closing_twice_is_the_same_as_once(model: ModelProvider) -> None:
    await model.close()
    await model.close()


def test_every_error_code_of_the_suite_is_one() -> None:
    codes = {kind.code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ModelError)}
    assert set(ERRORS) <= codes
