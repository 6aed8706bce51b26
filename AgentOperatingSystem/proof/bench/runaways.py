"""What a runaway costs its neighbour: the canonical work at a steady pace, while beside it, on the same host, another
agent runs away once in every second, and is stopped at its limit.

`runaway_none` is the neighbour alone. The neighbour's times are counted from when an event was due, so that one which
had to wait holds up the figures of those behind it too. A runaway that passes its limit is a failed run.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.minds import bridge
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.agents.team import TURNS_MAX, AgentTeam
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
from AgentOperatingSystem.proof.bench.aos import Aos
from AgentOperatingSystem.proof.bench.aos_team import Talker
from AgentOperatingSystem.proof.bench.talk import MEMBERS
from AgentOperatingSystem.proof.bench.work import ContestantFailed

EVERY_SECONDS = 1.0
QUIET_SECONDS = 0.3
"""A runaway that did nothing for so long has been stopped."""
FAN = 3
done: Counter[str] = Counter()
"""What the runaways of this process have done: turns, or a team's calls of its model."""


class Ball(BaseAgent):
    """Sends to the other side what comes from this one."""

    name = "ball"

    async def on_event(self, event: Event, context: Context) -> None:
        done[self.name] += 1
        await context.send(AgentId("ball", "here" if context.agent.key == "there" else "there"))


class Fan(BaseAgent):
    """Sends three events, to agents that nobody has met before, for each that it gets."""

    name = "fan"

    async def on_event(self, event: Event, context: Context) -> None:
        done[self.name] += 1
        for _ in range(FAN):
            await context.send(AgentId("fan", context.uuid().hex))


class Timer(BaseAgent):
    """Schedules itself at once, again and again."""

    name = "timer"

    async def on_event(self, event: Event, context: Context) -> None:
        done[self.name] += 1
        await context.schedule(f"again {context.uuid()}", after_seconds=0)


class Chatter(Talker):
    """The talker, counted."""

    async def complete(self, request: ModelRequest) -> ModelResponse:
        done["team"] += 1
        await asyncio.sleep(0.001)  # as behind a network, where others have the processor meanwhile
        return await super().complete(request)


class Team(AgentTeam):
    """Two who talk for ever: what would end it is never said."""

    name = "team"

    def __init__(self) -> None:
        from AgentOperatingSystem.agents.conditions import text

        model = Chatter()
        members = [PerpetualAgent(system_message=told, name=name, model=model) for name, told in MEMBERS.items()]
        super().__init__(members, termination_condition=text("never said"), agent_id="team", name="team", model=model)


class Calm(Aos):
    """The `runaway_none` contestant: the neighbour alone."""

    name = "runaway_none"
    agent: ClassVar[type[BaseAgent] | None] = None
    limit: ClassVar[int] = 0
    """How much one runaway may do."""

    def __init__(self) -> None:
        super().__init__()
        self._running: asyncio.Task[None] | None = None

    async def start(self, folder: Path, agents: int) -> None:
        await super().start(folder, agents)
        if self.agent is not None and self._aos is not None:
            await self._aos.register_agent(self.agent)
            self._running = asyncio.create_task(self._run_away(self.agent.name))

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, Any]:
        if self._running is not None and self._running.done():
            self._running.result()  # it raises
        return await super().process(agent_number, event_id, text)

    async def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await super().stop()

    async def _run_away(self, name: str) -> None:
        """One runaway after the other."""
        assert self._aos is not None
        loop, number = asyncio.get_running_loop(), 0
        while True:
            began, number = loop.time(), number + 1
            done.clear()
            to = AgentId(name, f"here {number}")
            await self._aos.accept_event(
                Event(type="bench.spark", source="/bench", id=f"{number}", agent=to, data="Go.")
            )
            await self._end_of(name)
            await asyncio.sleep(max(0.0, began + EVERY_SECONDS - loop.time()))

    async def _end_of(self, name: str) -> None:
        """Comes back when the runaway does nothing any more. Raises ContestantFailed where no limit stopped it."""
        before = 0
        while not done[name] or before != done[name]:
            before = done[name]
            await asyncio.sleep(QUIET_SECONDS)
        if not self.limit / 2 < done[name] <= self.limit:
            raise ContestantFailed(f"{self.name}: a runaway did {done[name]}; its limit is {self.limit}")


class PingPong(Calm):
    """Two agents that answer each other for ever."""

    name = "runaway_ping_pong"
    agent = Ball
    limit = AOSConfig.model_fields["hops_max"].default + 1


class FanOut(Calm):
    """k^n: three for each."""

    name = "runaway_fan_out"
    agent = Fan
    limit = 1 + AOSConfig.model_fields["credits_max"].default


class SelfScheduling(Calm):
    """A loop of timers."""

    name = "runaway_timers"
    agent = Timer
    limit = AOSConfig.model_fields["hops_max"].default + 1


class Talking(Calm):
    """A team that never ends."""

    name = "runaway_team"
    agent = Team
    limit = TURNS_MAX

    async def start(self, folder: Path, agents: int) -> None:
        bridge()  # loading AutoGen takes a process half a second, once; that is no runaway's doing
        await super().start(folder, agents)
