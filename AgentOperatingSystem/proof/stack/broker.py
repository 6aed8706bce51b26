"""The broker as a process that can be killed: `python -m AgentOperatingSystem.proof.stack.broker FOLDER`.

It keeps its state in the folder, has short locks and a short window of duplicate detection, and prints its port.
"""

import asyncio
import sys
from pathlib import Path

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.azure_local.namespace import namespace
from AgentOperatingSystem.hosting.servicebus_emulator.server import LocalServiceBus

LOCK_SECONDS = 5.0
WINDOW_SECONDS = 8.0
OUTSIDE = "outside"
"""The subscription of a consumer that is no agent."""


async def serve(folder: Path) -> None:
    """Until it is killed."""
    settings = namespace(AOSConfig(), lock_seconds=LOCK_SECONDS, window_seconds=WINDOW_SECONDS, more=(OUTSIDE,))
    bus = LocalServiceBus(settings, now_seconds=SystemClock().now, data_dir=folder)
    await bus.start()
    sys.stdout.write(f"listening on {bus.port}\n")
    sys.stdout.flush()
    await bus.failed()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
