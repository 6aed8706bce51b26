"""Request and reply: between agents the answer is a later event, and the time limit survives restarts.

Prints:

    42
    buyer asked for tea: the price is 42
    buyer asked for gold: no answer in time
"""

import asyncio

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Prices(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> object:
        return await asyncio.sleep(0 if event.data == "tea" else 1, result=42)


class Buyer(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        if event.type == "buy":
            correlation = await context.request("prices", event.data, timeout_seconds=0.3)
            self.state[correlation] = event.data
        else:  # `aos.reply`, or `aos.request.timed_out`: exactly one of them comes
            answer = f"the price is {event.data}" if event.type == "aos.reply" else "no answer in time"
            print(f"buyer asked for {self.state.pop(event.correlation)}: {answer}")


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/request_reply")) as aos:
        await aos.register_agent(Prices)
        await aos.register_agent(Buyer)
        print(await aos.message_bus.request("prices", "tea"))  # the application simply waits
        for item in ("tea", "gold"):
            await aos.message_bus.send("buyer", item, type="buy")
        await asyncio.sleep(1.5)


asyncio.run(main())
