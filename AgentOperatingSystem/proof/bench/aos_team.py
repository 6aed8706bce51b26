"""The subject with a team: an `AgentTeam` of two, durable, one instance per number, woken through `process_event`.

Its state is the team's whole conversation, committed with each event under fsync; the group stays built while the
agent is warm. The model is the same as the others', behind our own port.
"""

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.team import AgentTeam
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.records import Capabilities, ModelDelta, ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.proof.bench.talk import MEMBERS, TURNS, counted, kept, reply
from AgentOperatingSystem.proof.bench.unjournaled import without_journal
from AgentOperatingSystem.proof.bench.work import State

NOTHING = Usage(input_tokens=0, output_tokens=0)


class Talker:
    """`talk.reply` as a model of our port."""

    name = "bench/talker"
    capabilities = Capabilities()

    async def complete(self, request: ModelRequest) -> ModelResponse:
        return ModelResponse(text=reply(message.text for message in request.messages), usage=NOTHING)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        yield ModelDelta(response=await self.complete(request))

    async def close(self) -> None:
        """There is nothing to let go of."""


class Pair(AgentTeam):
    """The team of two."""

    name = "pair"

    def __init__(self) -> None:
        model = Talker()
        members = [PerpetualAgent(system_message=told, name=name, model=model) for name, told in MEMBERS.items()]
        super().__init__(members, turns_max=TURNS, agent_id="pair", name="pair", model=model)


class BarePair(Pair):
    """The same team, of whose answers nothing is recorded until its event is committed."""

    name = "pair"

    async def on_event(self, event: Event, context: Context) -> Any:
        without_journal(context)
        return await super().on_event(event, context)


class AosTeam:
    """The `aos_team` contestant."""

    name = "aos_team"
    agent: ClassVar[type[Pair]] = Pair

    def __init__(self) -> None:
        self._aos: AgentOperatingSystem | None = None

    async def start(self, folder: Path, agents: int) -> None:
        self._aos = AgentOperatingSystem(AOSConfig(data_dir=folder, max_pending_events=100_000))
        await self._aos.initialize()
        await self._aos.register_agent(self.agent)

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
        assert self._aos is not None
        event = Event(type="bench.work", source="/bench", id=event_id, agent=_address(agent_number), data=text)
        result: Mapping[str, Any] = await self._aos.process_event(event)
        return counted(result["text"])

    async def state(self, agent_number: int) -> State:
        assert self._aos is not None
        saved: Mapping[str, Any] = await self._aos.context_server(_address(agent_number)).load_state()
        threads = [each.get("message_thread") for each in saved["autogen"]["agent_states"].values()]
        return kept(message["content"] for thread in threads if thread for message in thread)

    async def stop(self) -> None:
        if self._aos is not None:
            await self._aos.close()

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": float(self._aos.bus.commits) if self._aos is not None else 0.0}


class AosTeamBare(AosTeam):
    """The `aos_team_bare` contestant: without the journal."""

    name = "aos_team_bare"
    agent = BarePair


def _address(number: int) -> AgentId:
    return AgentId("pair", str(number))
