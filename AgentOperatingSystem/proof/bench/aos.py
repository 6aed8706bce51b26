"""The subject: our own system, embedded default, durable; one registered agent type with one instance per number.

Events go in through `process_event`, as an application's do: checked, deduped, journalled in the event's row,
committed with the state and the published result under one fsync for all that are in flight.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.bench.work import Counted, State, handle, new_state
from AgentOperatingSystem.storage.records import Head
from AgentOperatingSystem.storage.sqlite.store import fill


class Worker(BaseAgent):
    """The canonical work as an agent."""

    name = "worker"

    async def on_event(self, event: Event, context: Context) -> Counted:
        result = handle(context.state, event.data["text"])
        await context.publish("bench.counted", result)
        return result


class Aos:
    """The `aos` contestant."""

    name = "aos"

    def __init__(self) -> None:
        self._aos: AgentOperatingSystem | None = None

    async def start(self, folder: Path, agents: int) -> None:
        self._aos = AgentOperatingSystem(AOSConfig(data_dir=folder, max_pending_events=100_000))
        await self._aos.initialize()
        await self._aos.register_agent(Worker)
        state = msgspec.json.encode(new_state())
        await fill(self._aos.engine, (Head(agent=_address(number), version=1, state=state) for number in range(agents)))

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        assert self._aos is not None
        event = Event(
            type="bench.work", source="/bench", id=event_id, agent=_address(agent_number), data={"text": text}
        )
        result: Mapping[str, Any] = await self._aos.process_event(event)
        return result

    async def state(self, agent_number: int) -> State:
        assert self._aos is not None
        kept: State = await self._aos.context_server(_address(agent_number)).load_state()
        return kept

    async def stop(self) -> None:
        if self._aos is not None:
            await self._aos.close()

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": float(self._aos.bus.commits) if self._aos is not None else 0.0}


def _address(number: int) -> AgentId:
    return AgentId("worker", str(number))
