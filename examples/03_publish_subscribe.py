"""Publish and subscribe: what a handler publishes leaves when its state is committed, once for each subscriber.

Prints:

    bell heard order.created: {'item': 'tea'}
    function heard {'item': 'tea'}
"""

import asyncio

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event


class Shop(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> None:
        await context.publish("order.created", event.data)


class Bell(BaseAgent):
    subscriptions = ("order.*",)  # `*` is one word, `#` at the end is any rest

    async def on_event(self, event: Event, context: Context) -> None:
        print(f"{self.name} heard {event.topic}: {event.data}")


async def on_order(message: object) -> None:
    await asyncio.sleep(0.2)  # so that the bell prints first
    print(f"function heard {message}")


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/publish_subscribe")) as aos:
        for agent in (Shop, Bell):
            await aos.register_agent(agent)
        await aos.message_bus.subscribe("order.created", on_order)  # durable: known by `module:name`
        await aos.process_event({"type": "ordered", "agent": "shop", "data": {"item": "tea"}})
        await asyncio.sleep(0.5)


asyncio.run(main())
