"""One host with an agent of a small budget, for tests that kill it: `python budget_child.py FOLDER`.

Each question to the model is a line in FOLDER/asked; then the model does not answer, and the host waits for its end.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CALLS = 4


async def main(folder: Path) -> None:
    from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Budget, Context, Event, Limits
    from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse
    from AgentOperatingSystem.ml.scripted import ScriptedModel

    class Silent(ScriptedModel):
        async def complete(self, request: ModelRequest) -> ModelResponse:
            with (folder / "asked").open("a") as file:
                file.write("asked\n")
            print("asked", flush=True)
            await asyncio.Event().wait()
            raise AssertionError

    class Thinker(BaseAgent):
        budget = Budget(total=Limits(model_calls=CALLS))

        async def on_event(self, event: Event, context: Context) -> Any:
            return (await context.think("What now?", model=Silent([]))).text

    config = AOSConfig(data_dir=folder / "data", crash_limit=100, log_level="CRITICAL")
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Thinker)
        await aos.accept_event({"id": "1", "type": "ask", "agent": "thinker"})
        while True:
            rows = (await aos.parts.store.events(aos.address("thinker"))).items
            if any(row.status == "waiting" for row in rows):
                print("waiting", flush=True)
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    asyncio.run(main(Path(sys.argv[1])))
