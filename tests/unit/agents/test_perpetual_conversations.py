"""A thinking agent's conversations: one for each that events name, bounded for ever, the same after any restart."""

import json
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.agents.conversation import MESSAGE_BYTES_MAX, SUMMARY_LABEL, Conversation, heads
from AgentOperatingSystem.errors import EventFailed, Retryable, Terminal
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall, assistant, user
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from tests.systems import running
from tests.unit.agents.minds import says, system, tell


def talks(request: ModelRequest) -> Answer:
    """Says how much it was shown; summarises with the number of what fell out; calls a tool where it is told to."""
    asked = request.messages[-1]
    if request.messages[0].text.startswith("You keep the running summary"):
        return f"So far {len(json.loads(asked.text)['messages'])} more."
    if asked.role == "user" and asked.text.startswith("look"):
        return ToolCall(f"call {len(request.messages)}", "look", {})
    return f"shown {len(request.messages)}: {asked.text[:20]}"


def look() -> str:
    """Looks."""
    return "There is a tree. " * 5


class Clerk(PerpetualAgent):
    conversation_tokens_max = 400
    model_author: Any = staticmethod(talks)

    def __init__(self) -> None:
        self.scripted = ScriptedModel(type(self).model_author)
        super().__init__([look], "I am clerk.", model=self.scripted)


async def kept(aos: Any, agent: str = "clerk", id: str = "main") -> list[Any]:
    """Everything that was ever said in a conversation."""
    talk = Conversation(id, aos.context_server(agent).stored, {})
    found: list[Any] = []
    while page := await talk.history(found[-1].number if found else 0, 500):
        found += page
    return found


async def test_each_conversation_is_apart(tmp_path: Path) -> None:
    async with system(tmp_path, PerpetualAgent([], "I am clerk.", agent_id="clerk", model=ScriptedModel(says))) as aos:
        assert await tell(aos, "clerk", "x", conversation="a") == "clerk heard 1"
        assert await tell(aos, "clerk", "x", conversation="b") == "clerk heard 1"
        assert await tell(aos, "clerk", "x", conversation="a") == "clerk heard 3"
        assert await tell(aos, "clerk", "x") == "clerk heard 1"
        found, _ = await heads(aos.context_server("clerk").stored)
    assert [(head.id, head.last) for head in found] == [("a", 4), ("b", 2), ("main", 2)]


@pytest.mark.virtual_time
async def test_thousands_of_turns_cost_what_tens_do() -> None:
    """The state and the heads do not grow, what the model is shown does not, and nothing is lost."""
    host = await running(Clerk)
    rows = host.kernel.parts.store
    clerk, sizes = AgentId("clerk"), list[int]()
    for number in range(3000):
        await host.handle("clerk", data=f"question {number}")
        if number in (100, 2999):
            sizes.append(len((await rows.rows(clerk, "conversation")).items[0].value or b""))
            found = await rows.load(clerk)
            assert found is not None
            assert found[0].state in (b"", b"{}")
    awake = host.kernel.warm.get(clerk)
    assert awake is not None
    requests = awake.agent.scripted.requests  # type: ignore[union-attr]  # a Clerk
    assert json.loads((await rows.rows(clerk, "conversation")).items[0].value or b"")["last"] == 6000
    assert sizes[1] <= sizes[0] + 20
    shown = [len(request.messages) for request in requests]
    assert max(shown[-1000:]) <= max(shown[:1000])
    assert 50 < sum(each.messages[0].text.startswith("You keep") for each in requests) < 400


@pytest.mark.parametrize("hosts", [3, 12])
async def test_what_the_model_is_shown_is_the_same_after_restarts(tmp_path: Path, hosts: int) -> None:
    tasks = [f"{'look' if number % 3 == 0 else 'tell'} {number}" for number in range(36)]

    async def run(folder: Path, hosts: int) -> tuple[list[Any], list[Any], list[Any]]:
        answers: list[Any] = []
        asked: list[Any] = []
        said: list[Any] = []
        for begin in range(0, len(tasks), len(tasks) // hosts):
            async with system(folder, Clerk) as aos:
                answers += [await tell(aos, "clerk", each) for each in tasks[begin : begin + len(tasks) // hosts]]
                asked += aos.kernel.warm.get(aos.address("clerk")).agent.scripted.requests
                said = [entry.message for entry in await kept(aos)]
        return answers, asked, said

    undisturbed = await run(tmp_path / "one", 1)
    assert any(SUMMARY_LABEL in message.text for request in undisturbed[1] for message in request.messages)
    assert await run(tmp_path / "more", hosts) == undisturbed


async def test_no_request_has_a_result_without_its_call(tmp_path: Path) -> None:
    async with system(tmp_path, Clerk) as aos:
        for number in range(60):
            await tell(aos, "clerk", f"look {number}")
        requests = aos.kernel.warm.get(aos.address("clerk")).agent.scripted.requests
    for request in requests:
        asked = [call.id for message in request.messages for call in message.tool_calls]
        answered = [message.tool_call_id for message in request.messages if message.role == "tool"]
        assert asked == answered


async def test_a_failed_try_leaves_no_message(tmp_path: Path) -> None:
    class Stumbling(Clerk):
        name = "clerk"
        stumbles = True

        async def process(self, event: Any) -> Any:
            answer = await super().process(event)
            if event.data == "two" and Stumbling.stumbles:
                Stumbling.stumbles = False
                raise Retryable("once more", 0.01)
            return answer

    async with system(tmp_path, Stumbling) as aos:
        for data in ("one", "two", "three"):
            await tell(aos, "clerk", data)
        assert [entry.message.text for entry in await kept(aos)] == [
            *("one", "shown 2: one", "two", "shown 4: two", "three", "shown 6: three")
        ]


async def test_what_is_too_large_to_be_kept_is_cut_and_says_so(tmp_path: Path) -> None:
    model = ScriptedModel(["Much.", "It was much.", "Again."])
    async with system(tmp_path, PerpetualAgent(agent_id="clerk", model=model)) as aos:
        assert await tell(aos, "clerk", "x" * MESSAGE_BYTES_MAX) == "Much."
        assert await tell(aos, "clerk", "again") == "Again."
        assert (await kept(aos))[0].message.text.endswith("more characters are not kept]")
    assert max(len(message.text) for message in model.requests[1].messages) < 5000  # what is summarised is cut too
    assert [message.text for message in model.requests[2].messages][1:] == [
        *(f"{SUMMARY_LABEL}It was much.", "Much.", "again")
    ]


async def test_a_name_that_no_conversation_can_have_is_refused_in_words(tmp_path: Path) -> None:
    async with system(tmp_path, Clerk) as aos:
        with pytest.raises(EventFailed, match="256 printable"):
            await tell(aos, "clerk", "x", conversation="y" * 257)


async def test_what_somebody_else_adds_to_the_conversation_is_heard(tmp_path: Path) -> None:
    class Noting(Clerk):
        name = "clerk"

        async def on_event(self, event: Any, context: Any) -> Any:
            if event.type == "note":
                return await context.conversation().append("user", event.data)
            return await super().on_event(event, context)

    async with system(tmp_path, Noting) as aos:
        assert await tell(aos, "clerk", "a") == "shown 2: a"
        await tell(aos, "clerk", "by the way", type="note")
        assert await tell(aos, "clerk", "b") == "shown 5: b"


async def test_what_a_failed_try_thought_is_never_taken_for_what_was_said(tmp_path: Path) -> None:
    """Though as many messages were added meanwhile as the failed try had added."""

    class Stumbling(Clerk):
        name = "clerk"

        async def on_event(self, event: Any, context: Any) -> Any:
            if event.type == "note":
                talk = context.conversation()
                return await talk.extend([user(event.data), assistant("Noted.")])
            answer = await super().on_event(event, context)
            if event.data == "two":
                raise Terminal("never mind")
            return answer

    async with system(tmp_path, Stumbling) as aos:
        await tell(aos, "clerk", "one")
        with pytest.raises(EventFailed, match="never mind"):
            await tell(aos, "clerk", "two")
        await tell(aos, "clerk", "by the way", type="note")
        await tell(aos, "clerk", "three")
        (*_, asked) = aos.kernel.warm.get(aos.address("clerk")).agent.scripted.requests
    assert [message.text for message in asked.messages[1:]] == [
        *("one", "shown 2: one", "by the way", "Noted.", "three")
    ]


async def test_outside_of_an_event_it_goes_on_what_was_said_there(tmp_path: Path) -> None:
    agent = PerpetualAgent([], "I am clerk.", agent_id="clerk", model=ScriptedModel(says))
    assert [await agent.think("x"), await agent.think("y")] == ["clerk heard 1", "clerk heard 3"]
