"""Replays: offline, with recorded answers, no effect performed, differences told."""

from typing import Any, ClassVar

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import InvalidInput, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import user
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.recordings import Recording, encode_recording, read_recording, record
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.replaying import Replayed, replay
from AgentOperatingSystem.tools.function_tool import tool
from tests.systems import System, event, passed, running

pytestmark = pytest.mark.virtual_time
CLERK = AgentId("clerk")
performed: list[str] = []


@tool
async def refund(order: str) -> str:
    """Gives the money back."""
    performed.append(order)
    return f"refunded {order}"


class Answerer(BaseAgent):
    name = "answerer"

    async def process(self, event: Event) -> str:
        return "because"


class Clerk(BaseAgent):
    """Thinks, acts, remembers, sends."""

    model: ClassVar[ScriptedModel]
    version_two = ""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.data == "terminal":
            raise Terminal("no")
        number = self.state["n"] = self.state.get("n", 0) + 1
        answer = await context.think(f"What of {event.data}?", model=self.model)
        order = "another" if self.version_two == "effect" else event.data
        if self.version_two != "no effect":
            await context.call(refund, order=order)
        seen = await context.recall("seen")
        await context.remember("seen", event.id)
        await context.conversation().append(user(event.id))
        text = "other" if self.version_two == "send" else answer.text
        await context.send("clerk/other", [text, seen])
        if self.version_two == "state":
            self.state["more"] = True
        why = await context.ask("answerer", "why?")
        return {"text": answer.text, "number": number, "why": why, "at": context.now(), "id": str(context.uuid())}


@pytest.fixture(autouse=True)
def fresh() -> None:
    performed.clear()
    Clerk.version_two = ""
    Clerk.model = ScriptedModel(lambda request: f"answer {len(Clerk.model.requests)}")


async def recorded(system: System, event_id: str) -> Recording:
    await system.handle(CLERK, "0", data="o-0")
    await system.handle(CLERK, event_id, data="o-1")
    await system.handle(CLERK, "9", data="o-9")
    await passed(1)
    recording = await record(system.parts, CLERK, await system.row(CLERK, event_id))
    return read_recording(encode_recording(recording))


async def clerk() -> System:
    return await running(Clerk, Answerer, rules=Rules(history_states="steps"))


async def again(recording: Recording, model: str = "") -> Replayed:
    registry = Registry()
    registry.register(Clerk)
    registry.register(Answerer)
    performed.clear()
    Clerk.model.requests.clear()
    return await replay(recording, registry, model=model)


async def test_the_same_code_comes_to_the_same_and_performs_nothing() -> None:
    replayed = await again(await recorded(await clerk(), "1"))
    assert replayed.report() == []
    assert replayed.equal
    assert replayed.result["number"] == 2
    assert (performed, Clerk.model.requests) == ([], [])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("state", ["state/more added: None → True"]),
        ("send", ["sent with another content: "]),
        ("no effect", ["recorded, and not asked for now: tool refund"]),
        ("effect", ['diverged: not recorded: tool refund with {"order":"another"}']),
    ],
)
async def test_other_code_is_told_apart(change: str, said: list[str]) -> None:
    recording = await recorded(await clerk(), "1")
    Clerk.version_two = change
    replayed = await again(recording)
    report = replayed.report()
    assert [each[: len(start)] for each, start in zip(report, said, strict=True)] == said
    assert not replayed.equal
    assert performed == []


async def test_a_recorded_failure_is_a_failure_again() -> None:
    system = await running(Clerk, Answerer, rules=Rules(history_states="all"))
    await system.handle(CLERK, "0", data="o-0")
    row = await system.handle(CLERK, "1", data="terminal")
    replayed = await again(await record(system.parts, CLERK, row))
    assert (replayed.status, replayed.report()) == ("failed", [])


async def test_a_file_that_is_no_recording() -> None:
    with pytest.raises(InvalidInput, match="not a recorded event"):
        read_recording(b"{}")
    recording = Recording(agent=CLERK, event=event(CLERK), now=0.0)
    with pytest.raises(InvalidInput, match="format"):
        read_recording(msgspec.json.encode(msgspec.structs.replace(recording, format="aos.recording/9")))
