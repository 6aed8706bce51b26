"""Models and systems for the tests of thinking agents: what a model answers depends on its request alone."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent
from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel


@asynccontextmanager
async def system(folder: Path, *agents: BaseAgent | type[BaseAgent], **settings: Any) -> AsyncIterator[Any]:
    """A running system with these agents; closing it is the end of a host."""
    async with AgentOperatingSystem(AOSConfig(data_dir=folder, **settings)) as aos:
        for agent in agents:
            await aos.register_agent(agent)
        yield aos


async def tell(aos: AgentOperatingSystem, agent: str, data: Any, type: str = "said", **fields: Any) -> Any:
    """The result of one event."""
    return await aos.process_event({"type": type, "agent": agent, "data": data, **fields}, 30.0)


def member(name: str, model: ScriptedModel, **named: Any) -> PerpetualAgent:
    """A member whose model can tell from the system message who asks."""
    return PerpetualAgent(system_message=f"I am {name}.", name=name, model=model, description=f"{name} helps.", **named)


def speaker(request: ModelRequest) -> str:
    """Who asks."""
    found = re.match(r"I am (\w+)\.", request.messages[0].text)
    return found[1] if found else ""


def says(request: ModelRequest) -> Answer:
    """Everybody says who they are and how much they have heard; a selector takes somebody by the length of the prompt;
    an orchestrator asks `a` and is satisfied once `a` has spoken.
    """
    who, last = speaker(request), request.messages[-1].text
    if who:
        return f"{who} heard {len(request.messages) - 1}"
    if request.json_schema is not None:
        return ledger("a heard" in "".join(message.text for message in request.messages))
    if found := re.search(r"next role from \[(.*?)\]", last):
        names: list[str] = re.findall(r"\w+", found[1])
        return names[len(last) % len(names)]
    return "Facts, a plan, or the final answer."


def hands_over(request: ModelRequest) -> Answer:
    """In a swarm: `a` hands over to `b`, who finishes when told to, and else hands over to the user."""
    if speaker(request) == "a":
        return ToolCall(f"to-b-{len(request.messages)}", "transfer_to_b")
    told = [message.text for message in request.messages if message.role == "user"]
    return (
        "all done" if told[-1].endswith("finish") else ToolCall(f"to-user-{len(request.messages)}", "transfer_to_user")
    )


def ledger(satisfied: bool) -> str:
    """MagenticOne's progress ledger."""
    told: dict[str, Any] = {
        "is_request_satisfied": satisfied,
        "is_in_loop": False,
        "is_progress_being_made": True,
        "next_speaker": "a",
        "instruction_or_question": "Go on.",
    }
    return msgspec.json.encode(
        {name: {"answer": answer, "reason": "So it is."} for name, answer in told.items()}
    ).decode()
