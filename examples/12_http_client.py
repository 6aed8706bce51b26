"""The HTTP door and a client: a token, an idempotency key, the result. `aos up` serves the same door on port 8080.

Prints:

    unauthorized
    200 done 7
    200 done 7
    {'total': 7}
"""

import asyncio
from typing import Any

import httpx2

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.api import create_app


class Till(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["total"] = self.state.get("total", 0) + event.data
        return self.state["total"]


async def main() -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=".aos/http_client")) as aos:
        await aos.register_agent(Till)
        aos.start()  # from here on, turns are handed out
        door = httpx2.ASGITransport(create_app(aos, token="a secret of yours"))
        async with httpx2.AsyncClient(transport=door, base_url="http://localhost/api/v1/agents/till") as client:
            print((await client.get("/state")).json()["code"])
            client.headers |= {"Authorization": "Bearer a secret of yours", "Idempotency-Key": "sale-1"}
            for _ in range(2):  # the second time nothing is added
                sold = await client.post("/events", params={"wait": 5}, json={"data": 7})
                print(sold.status_code, sold.json()["status"], sold.json()["result"])
            print((await client.get("/state")).json())


asyncio.run(main())
