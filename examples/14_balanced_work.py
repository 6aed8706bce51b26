"""Balancing: twenty tasks for a fast worker and a slow one, each given to whoever has nothing in hand.

Prints:

    20 tasks done; the fast worker did 3 times as many or more
"""

import asyncio

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.agents import DispatcherAgent

SECONDS = {"fast": 0.02, "slow": 0.2}


class Worker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        await asyncio.sleep(SECONDS[context.agent.key])


class Desk(DispatcherAgent):
    members = ("worker/slow", "worker/fast")


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/balanced_work")) as aos:
        for agent in (Worker, Desk):
            await aos.register_agent(agent)
        for number in range(20):
            await aos.message_bus.send("desk", number)
        done: dict[str, int] = {}
        while sum(done.values()) < 20:  # counted in the desk's own state, so it would be right after a crash too
            await asyncio.sleep(0.1)
            done = (await aos.context_server("desk").load_state() or {}).get("done", {})
        more = done["worker/fast"] >= 3 * done.get("worker/slow", 0)
        print(f"{sum(done.values())} tasks done; the fast worker did 3 times as many or more" if more else done)


asyncio.run(main())
