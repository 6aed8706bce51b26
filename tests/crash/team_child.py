"""One host with a thinking team, for tests that kill it: `python team_child.py FOLDER KIND`.

Hands in the same events each time, and prints a line before each call of a model and one for each result.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EVENTS = {"e1": "one", "e2": "two", "e3": "three", "e4": "finish"}


async def main(folder: str, kind: str) -> None:
    from AgentOperatingSystem.ml.records import ModelRequest
    from AgentOperatingSystem.ml.scripted import Answer, Late, ScriptedModel
    from tests.unit.agents.minds import hands_over, says, system
    from tests.unit.agents.teams import made

    def slowly(request: ModelRequest) -> Answer:
        print("asked", flush=True)
        answer = (hands_over if kind == "swarm" else says)(request)
        return Late(0.02, answer)  # type: ignore[arg-type]  # neither of them answers with an error

    async with system(Path(folder), made(kind, ScriptedModel(slowly))) as aos:
        for event_id, task in EVENTS.items():
            event: dict[str, Any] = {"id": event_id, "type": "said", "agent": "team", "data": task}
            await aos.process_event(event, 30.0)
            print(event_id, flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    asyncio.run(main(*sys.argv[1:]))
