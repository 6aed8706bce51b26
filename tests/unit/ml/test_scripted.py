"""The model that tests write: it keeps the port's promises, as far as a script can break them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import (
    ConfigurationError,
    MalformedAnswer,
    ModelUnavailable,
    RateLimited,
    UnsupportedRequest,
)
from AgentOperatingSystem.ml.messages import ImagePart, ToolCall, user
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse, OutputSchema, Usage
from AgentOperatingSystem.ml.script_file import read_script
from AgentOperatingSystem.ml.scripted import Answer, Late, Pieces, ScriptedModel
from tests.unit.ml.listening import heard

QUESTION = ModelRequest.ask("Hello!")
CALL = ToolCall("1", "look_up", {"id": 7})


async def collected(deltas: AsyncGenerator[ModelDelta, None]) -> list[ModelDelta]:
    async with aclosing(deltas):
        return [delta async for delta in deltas]


async def test_answers_in_order() -> None:
    model = ScriptedModel(["Hello.", CALL, (CALL, CALL), ModelResponse(text="x", usage=Usage(input_tokens=3))])
    answers = [await model.complete(QUESTION) for _ in range(4)]
    assert [answer.text for answer in answers] == ["Hello.", "", "", "x"]
    assert [len(answer.tool_calls) for answer in answers] == [0, 1, 2, 0]
    assert [answer.finish_reason for answer in answers] == ["stop", "tool_calls", "tool_calls", "stop"]
    assert answers[0].usage == Usage()
    assert answers[3].usage.input_tokens == 3
    assert {answer.provider for answer in answers} == {"scripted"}
    assert model.requests == [QUESTION] * 4


async def test_at_the_end_of_the_script_it_says_so() -> None:
    model = ScriptedModel(["Hello."])
    await model.complete(QUESTION)
    with pytest.raises(ConfigurationError, match="at its end"):
        await model.complete(QUESTION)


async def test_a_function_may_write_the_answers() -> None:
    async def author(request: ModelRequest) -> Answer:
        return request.messages[-1].text.upper()

    assert (await ScriptedModel(author).complete(QUESTION)).text == "HELLO!"
    assert (await ScriptedModel(lambda request: "yes").complete(QUESTION)).text == "yes"


async def test_errors_are_raised() -> None:
    model = ScriptedModel([RateLimited("slow down", 2.0), "fine"])
    with pytest.raises(RateLimited, match="slow down"):
        await model.complete(QUESTION)
    assert (await model.complete(QUESTION)).text == "fine"


async def test_streams() -> None:
    model = ScriptedModel(
        ["Hello you there.", Pieces(texts=("Hel", "lo")), ModelResponse(text="ok", tool_calls=(CALL,))]
    )
    words, pieces, calls = [await collected(model.stream(QUESTION)) for _ in range(3)]
    assert [delta.text for delta in words[:-1]] == ["Hello ", "you ", "there."]
    assert [delta.text for delta in pieces[:-1]] == ["Hel", "lo"]
    assert pieces[-1].response is not None
    assert pieces[-1].response.text == "Hello"
    assert [delta.tool_call.arguments for delta in calls if delta.tool_call] == ['{"id":7}']
    assert calls[-1].response is not None
    assert calls[-1].response.tool_calls == (CALL,)


async def test_a_cut_stream() -> None:
    model = ScriptedModel([Pieces(texts=("Hel",), cut=True), Pieces(texts=("Hel",), cut=True)])
    texts, error = await heard(model.stream(QUESTION))
    assert texts == ["Hel"]
    assert isinstance(error, ModelUnavailable)
    with pytest.raises(ModelUnavailable, match="cut off"):
        await model.complete(QUESTION)


@pytest.mark.virtual_time
async def test_late_answers_and_the_time_limit() -> None:
    loop = asyncio.get_running_loop()
    model = ScriptedModel([Late(3600, "at last"), Late(3600, "too late")], timeout_seconds=7200)
    assert (await model.complete(QUESTION)).text == "at last"
    assert loop.time() == 3600
    with pytest.raises(ModelUnavailable, match="within 5 s"):
        await model.complete(ModelRequest.ask("Hello!", timeout_seconds=5))
    assert loop.time() == 3605


@pytest.mark.virtual_time
async def test_it_can_be_cancelled() -> None:
    call = asyncio.create_task(ScriptedModel([Late(3600, "late")]).complete(QUESTION))
    await asyncio.sleep(1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_it_is_checked_like_any_other_model() -> None:
    with pytest.raises(MalformedAnswer, match="empty"):
        await ScriptedModel([""]).complete(QUESTION)
    verdict = ModelRequest.ask("?", json_schema=OutputSchema(schema={"type": "object"}))
    with pytest.raises(MalformedAnswer, match="not JSON"):
        await ScriptedModel(["high"]).complete(verdict)
    blind = ScriptedModel(["x"], capabilities=Capabilities())
    with pytest.raises(UnsupportedRequest, match="images"):
        await blind.complete(ModelRequest(messages=(user(ImagePart(data=b"x")),)))
    assert blind.requests == []


SCRIPT = """[
  {"when": "priority", "text": "{\\"priority\\": 1}", "usage": {"input_tokens": 5, "output_tokens": 2}},
  {"tool_calls": [{"id": "1", "name": "look_up", "arguments": {"id": 7}}]},
  {"error": "rate-limited", "after_seconds": 2},
  {"error": "content-filtered"},
  {"pieces": ["Hel", "lo"], "delay_seconds": 0.5}
]"""


@pytest.mark.virtual_time
async def test_a_script_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text(SCRIPT)
    model = ScriptedModel(read_script(tmp_path / "answers.json"))
    for _ in range(2):
        assert (await model.complete(ModelRequest.ask("What priority?"))).value() == {"priority": 1}
    assert (await model.complete(QUESTION)).tool_calls == (CALL,)
    with pytest.raises(RateLimited) as caught:
        await model.complete(QUESTION)
    assert caught.value.after_seconds == 2
    with pytest.raises(Exception, match="as the script says"):
        await model.complete(QUESTION)
    assert [delta.text for delta in await collected(model.stream(QUESTION))] == ["Hel", "lo", ""]
    with pytest.raises(ConfigurationError, match="no answer is left for 'Hello!'"):
        await model.complete(QUESTION)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "answers.json"),
        ('[{"txet": "x"}]', "txet"),
        ('[{"error": "rate-limted"}]', "no model error has the code 'rate-limted'"),
    ],
)
def test_a_wrong_script_is_one_line(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "answers.json").write_text(text)
    with pytest.raises(ConfigurationError, match=why):
        read_script(tmp_path / "answers.json")
