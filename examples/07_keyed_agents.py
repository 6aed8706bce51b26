"""Keys: one registered type, one agent for each key, each with a state and a mailbox of its own.

Prints:

    account/ada: 30
    account/bob: 5
    ['account/ada', 'account/bob']
"""

import asyncio
from typing import Any

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, Route


class Account(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["balance"] = self.state.get("balance", 0) + event.data["amount"]
        return f"{self.address}: {self.state['balance']}"


# Who gets an event that names no agent: the first route that matches, at the key that the template gives.
routes = [Route(type="paid.#", agent="account", key="{data.owner}")]


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/keyed_agents"), routes=routes) as aos:
        await aos.register_agent(Account)
        await aos.process_event({"type": "paid.in", "data": {"owner": "ada", "amount": 10}})
        print(await aos.process_event({"type": "paid.in", "data": {"owner": "ada", "amount": 20}}))
        print(await aos.process_event({"type": "paid.in", "data": {"owner": "bob", "amount": 5}}))
        print([str(head.agent) for head in (await aos.agents("account/")).items])


asyncio.run(main())
