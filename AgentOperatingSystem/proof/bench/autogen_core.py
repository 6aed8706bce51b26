"""AutoGen core's in-memory runtime on the same work: one message to the agent, one message published as its result.

At its best: its tracing off, no subscriber to the result, the state a plain object in memory. Nothing of it survives
the process. Imported by `child` alone; needs the package autogen-core.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, TopicId, message_handler
from opentelemetry.trace import NoOpTracerProvider

from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state


@dataclass
class TextSent:
    """The event."""

    event_id: str
    text: str


@dataclass
class TextCounted:
    """The result event."""

    count: int


class CountingAgent(RoutedAgent):
    """The canonical handler as an AutoGen agent."""

    def __init__(self) -> None:
        super().__init__("counts texts")
        self.state_now: State = new_state()

    @message_handler
    async def on_text(self, message: TextSent, context: MessageContext) -> TextCounted:
        result = TextCounted(**handle(self.state_now, message.text))
        await self.publish_message(result, TopicId("counted", self.id.key))
        return result


class AutoGenCore:
    """The `autogen_core` contestant."""

    name = "autogen_core"

    async def start(self, folder: Path, agents: int) -> None:
        self._runtime = SingleThreadedAgentRuntime(tracer_provider=NoOpTracerProvider())
        await CountingAgent.register(self._runtime, "counting", CountingAgent)
        self._runtime.start()

    async def process(self, agent_number: int, event_id: str, text: str) -> Counted:
        result: TextCounted = await self._runtime.send_message(TextSent(event_id, text), _agent_id(agent_number))
        return {"count": result.count}

    async def state(self, agent_number: int) -> State:
        agent = await self._runtime.try_get_underlying_agent_instance(_agent_id(agent_number), CountingAgent)
        return agent.state_now

    async def stop(self) -> None:
        await self._runtime.stop_when_idle()

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": 0}


def _agent_id(agent_number: int) -> AgentId:
    return AgentId("counting", str(agent_number))
