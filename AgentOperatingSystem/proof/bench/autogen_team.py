"""AutoGen's own team of two on the same conversation: for each event build, load_state, run, save_state.

This is what an application without us does between two events, less the database: the saved state is an object in
memory. `AutoGenTeam` is as AutoGen's documentation shows it, `QuietAutoGenTeam` at its best, its tracing off. Imported
by `child` alone; needs the package autogen-agentchat.
"""

import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import (
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
)

from AgentOperatingSystem.proof.bench.talk import MEMBERS, TURNS, counted, kept, reply
from AgentOperatingSystem.proof.bench.work import State

NOTHING = RequestUsage(0, 0)
CAN = ModelInfo(
    vision=False,
    function_calling=True,
    json_output=True,
    structured_output=True,
    family=ModelFamily.UNKNOWN,
    multiple_system_messages=True,
)


class TalkingClient(ChatCompletionClient):
    """`talk.reply` as AutoGen's client, with nothing around it."""

    @property
    def model_info(self) -> ModelInfo:
        return CAN

    @property
    def capabilities(self) -> ModelInfo:
        return CAN

    async def create(self, messages: Sequence[LLMMessage], **rest: Any) -> CreateResult:
        text = reply(message.content for message in messages if isinstance(message.content, str))
        return CreateResult(finish_reason="stop", content=text, usage=NOTHING, cached=False)

    async def create_stream(
        self, messages: Sequence[LLMMessage], **rest: Any
    ) -> AsyncGenerator[str | CreateResult, None]:
        yield await self.create(messages)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def actual_usage(self) -> RequestUsage:
        return NOTHING

    def total_usage(self) -> RequestUsage:
        return NOTHING

    def count_tokens(self, messages: Sequence[LLMMessage], **rest: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[LLMMessage], **rest: Any) -> int:
        return 0


class AutoGenTeam:
    """The `autogen_team` contestant."""

    name = "autogen_team"

    def __init__(self) -> None:
        self._states: dict[int, Mapping[str, Any]] = {}
        self._client = TalkingClient()

    async def start(self, folder: Path, agents: int) -> None:
        self._states.clear()

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
        team = self._built()
        if agent_number in self._states:
            await team.load_state(self._states[agent_number])
        result = await team.run(task=text)
        self._states[agent_number] = await team.save_state()
        last = result.messages[-1]
        assert isinstance(last, TextMessage)
        return counted(last.content)

    async def state(self, agent_number: int) -> State:
        threads = [each.get("message_thread") for each in self._states[agent_number]["agent_states"].values()]
        return kept(message["content"] for thread in threads if thread for message in thread)

    async def stop(self) -> None:
        """There is nothing to let go of."""

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": 0}

    def _built(self) -> RoundRobinGroupChat:
        members = [AssistantAgent(name, self._client, system_message=told) for name, told in MEMBERS.items()]
        return RoundRobinGroupChat(list(members), max_turns=TURNS)


class QuietAutoGenTeam(AutoGenTeam):
    """The `autogen_quiet` contestant: AutoGen's switch for its runtime's tracing is thrown."""

    name = "autogen_quiet"

    async def start(self, folder: Path, agents: int) -> None:
        os.environ["AUTOGEN_DISABLE_RUNTIME_TRACING"] = "true"
        await super().start(folder, agents)
