"""A provider that fails in every way it can, against a whole system with an agent that uses a tool and a team of two:
no event is lost, an outage costs none of its attempts, and what was answered before a failure is not asked for again.

The provider is a real HTTP server that speaks OpenAI's chat completions; what it was asked is counted there.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, BaseAgent, Event
from AgentOperatingSystem.agents import AgentTeam, PerpetualAgent
from AgentOperatingSystem.agents.thinking import model_of
from AgentOperatingSystem.errors import EventFailed
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.storage.records import EventRow
from AgentOperatingSystem.tools.function_tool import FunctionTool
from tests.contract.model_server import ModelServer, Reply, running
from tests.unit.agents.minds import system, tell

looked_up: list[int] = []


def look_up(order: int) -> str:
    """The status of an order."""
    looked_up.append(order)
    return "shipped"


@pytest.fixture(scope="module")
def started() -> Iterator[ModelServer]:
    with running() as server:
        yield server


@pytest.fixture
def server(started: ModelServer) -> ModelServer:
    started.forget()
    looked_up.clear()
    return started


def answer(text: str | None, *calls: tuple[str, str], finish: str = "stop") -> Reply:
    """A chat completion."""
    wanted = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text} | ({"tool_calls": wanted} if wanted else {})
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else finish}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }
    return Reply(body=json.dumps(body).encode())


def refusal(status: int, message: str = "no", code: str = "", **headers: str) -> Reply:
    body = {"error": {"message": message, "type": "error", "code": code}}
    return Reply(status=status, body=json.dumps(body).encode(), headers=headers)


@dataclass(frozen=True)
class Failure:
    """One way to fail, and what it does to the event."""

    name: str
    reply: Reply
    attempts: int = 1
    """Of the event, at its end."""
    fails: str = ""
    """What the event's end says, where the failure ends it."""


FAILURES = [
    Failure("429 with Retry-After", refusal(429, **{"retry-after": "1"})),
    Failure("429 without", refusal(429)),
    Failure("500", refusal(500)),
    Failure("503 with Retry-After", refusal(503, **{"retry-after": "1"})),
    Failure("cut answer", Reply(frames=[b'{"id": "chatcmpl-1", "choi'], cut=True)),
    Failure("no answer in it", Reply(body=b'{"id": "chatcmpl-1", "model": "m", "choices": []}'), attempts=2),
    Failure("empty answer", answer(""), attempts=2),
    Failure("no JSON", Reply(body=b"<html>gateway</html>"), attempts=2),
    Failure("malformed tool call", answer(None, ("look_up", '{"order": 7')), attempts=2),
    Failure(
        "context overflow", refusal(400, "maximum context length", "context_length_exceeded"), fails="context-overflow"
    ),
    Failure("content filter", answer("", finish="content_filter"), fails="content-filtered"),
]
failures = pytest.mark.parametrize("failure", FAILURES, ids=[each.name for each in FAILURES])


def settings(server: ModelServer) -> dict[str, Any]:
    """One try within a turn, so that each failure reaches the event."""
    return {
        "model": "compatible/m",
        "compatible_base_url": f"{server.url}/v1",
        "model_attempts_max": 1,
        "model_breaker_failures": 100,
        "backoff_base_seconds": 0.05,
        "attempts_max": 3,
    }


async def told(aos: AgentOperatingSystem, agent: str, failure: Failure) -> tuple[str, EventRow]:
    """The text of an event's answer, which is empty where the event failed, and the event's row at its end."""
    text = ""
    with pytest.raises(EventFailed, match=failure.fails) if failure.fails else nullcontext():
        result = await tell(aos, agent, "Where is order 7?", id="1", source="/test")
        text = result["text"] if isinstance(result, dict) else str(result)
    (row,) = (await aos.parts.store.events(AgentId(agent))).items
    return text, row


def asked_once(server: ModelServer, failures: int) -> None:
    """Nothing but what failed was asked for twice."""
    counted = Counter(json.dumps(each.body["messages"]) for each in server.asked)
    assert sorted(counted.values()) == [1] * (len(counted) - 1) + [1 + failures]


@failures
async def test_an_agent_with_a_tool(tmp_path: Path, server: ModelServer, failure: Failure) -> None:
    server.plan.extend([answer(None, ("look_up", '{"order": 7}')), failure.reply, answer("It was shipped.")])
    agent = PerpetualAgent([FunctionTool(look_up)], "You help.", agent_id="clerk", name="clerk")
    async with system(tmp_path, agent, **settings(server)) as aos:
        text, row = await told(aos, "clerk", failure)
    assert text == ("" if failure.fails else "It was shipped.")
    assert row.attempts == failure.attempts
    assert looked_up == [7]
    asked_once(server, 0 if failure.fails else 1)


@failures
async def test_a_team(tmp_path: Path, server: ModelServer, failure: Failure) -> None:
    server.plan.extend([answer("Order 7 is on its way."), failure.reply, answer("It was shipped.")])
    members = [PerpetualAgent(system_message=f"I am {name}.", name=name) for name in ("reader", "clerk")]
    async with system(tmp_path, AgentTeam(members, turns_max=2, agent_id="team"), **settings(server)) as aos:
        text, row = await told(aos, "team", failure)
    assert text == ("" if failure.fails else "It was shipped.")
    assert row.attempts == failure.attempts
    asked_once(server, 0 if failure.fails else 1)


def frames(*texts: str) -> list[bytes]:
    """A stream of these pieces, not ended."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
    pieces = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in texts]
    return [b"data: " + json.dumps(chunk | {"choices": [piece]}).encode() + b"\n\n" for piece in pieces]


def whole(*texts: str) -> Reply:
    """A stream from its beginning to its end."""
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m"}
    last = chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    end = [b"data: " + json.dumps(last).encode() + b"\n\n", b"data: [DONE]\n\n"]
    return Reply(frames=[*frames(*texts), *end], media_type="text/event-stream")


class Listener(BaseAgent):
    """Hears two answers, piece by piece."""

    async def process(self, event: Event) -> str:
        heard = []
        for question in ("Where?", "When?"):
            async with aclosing(model_of().stream(ModelRequest.ask(question))) as deltas:
                heard += [delta.text async for delta in deltas if delta.response is None]
        return "".join(heard)


async def test_a_stream_that_is_cut_is_asked_for_again_and_one_that_ended_is_not(
    tmp_path: Path, server: ModelServer
) -> None:
    cut = Reply(frames=frames("On ", "Tu"), cut=True, media_type="text/event-stream")
    server.plan.extend([whole("In ", "town. "), cut, whole("On ", "Monday.")])
    async with system(tmp_path, Listener, **settings(server)) as aos:
        text, row = await told(aos, "listener", Failure("", Reply()))
    assert (text, row.attempts) == ("In town. On Monday.", 1)
    asked_once(server, 1)


async def test_more_outages_than_attempts_lose_nothing(tmp_path: Path, server: ModelServer) -> None:
    server.plan.extend([*(refusal(status) for status in (429, 500, 429, 503, 429, 502)), answer("Here.")])
    agent = PerpetualAgent(system_message="You help.", agent_id="clerk", name="clerk")
    async with system(tmp_path, agent, **settings(server)) as aos:
        text, row = await told(aos, "clerk", Failure("", Reply()))
    assert (text, row.attempts, len(server.asked)) == ("Here.", 1, 7)


async def test_a_provider_that_never_makes_sense_ends_in_the_quarantine(tmp_path: Path, server: ModelServer) -> None:
    server.plan.append(Reply(body=b"<html>gateway</html>"))
    agent = PerpetualAgent(system_message="You help.", agent_id="clerk", name="clerk")
    async with system(tmp_path, agent, **settings(server)) as aos:
        _, row = await told(aos, "clerk", Failure("", Reply(), fails="quarantined"))
    assert (row.status.value, row.attempts, len(server.asked)) == ("quarantined", 3, 3)
