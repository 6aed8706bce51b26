"""One host that submits GPU jobs, and is going to be killed on the way of one.

A life: it brings to its end what an earlier life left open, and takes the next event, on whose way the trap is set.
"""

import asyncio
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.gpu_jobs import GpuJob
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.running import RunningModels
from AgentOperatingSystem.ml.tokens import Token
from AgentOperatingSystem.proof.kill.points import CRASH_LIMIT, FusedSystem, Trap
from AgentOperatingSystem.storage.records import ENDS, EventRow, Status
from AgentOperatingSystem.tools.records import Submitted

TRAINER = AgentId("trainer")
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
ENDPOINTS = "endpoints.json"
POLL_SECONDS = 0.05
INSIDE = ("in submit, before it acts", "in submit, after it acted")


class TrappedJob(GpuJob):
    """Submits the job, with a trap on either side."""

    async def run(self, inputs: dict[str, Any], idempotency_key: str = "") -> Submitted:
        """Trains."""
        Trap.step(INSIDE[0])
        submitted = await super().run(inputs, idempotency_key)
        Trap.step(INSIDE[1])
        return submitted


class Trainer(BaseAgent):
    """Has each event's data trained on, on a GPU."""

    name = TRAINER.name
    tool = TrappedJob("train", poll_seconds=POLL_SECONDS)

    async def on_event(self, event: Event, context: Context) -> Any:
        trained = await context.call(Trainer.tool, inputs={"data": event.data})
        return {"is_error": trained.is_error, "said": trained.content}


def training(number: int) -> Event:
    """Something to train on."""
    return Event(type="train", source="/people", id=f"data-{number}", agent=TRAINER, data=f"d-{number}")


def live(pipe: Connection, folder: Path, url: str, open_event: int | None, event: int | None, trap: Any) -> None:
    """A host's life: ends what is open, then dies on the way of `event`, or ends by itself."""
    os.setpgid(0, 0)
    asyncio.run(_live(pipe, folder, url, open_event, event, trap))


async def _live(pipe: Connection, folder: Path, url: str, open_event: int | None, event: int | None, trap: Any) -> None:
    config = AOSConfig(
        data_dir=folder / "data",
        crash_limit=CRASH_LIMIT,
        log_level="CRITICAL",
        azureml_workspace=WORKSPACE,
        azureml_management_url=url,
        azureml_endpoints_file=folder / ENDPOINTS,
    )
    aos = FusedSystem(config)
    aos.models = RunningModels(config, tokens=_some_token)
    async with aos:
        await aos.register_agent(Trainer)
        aos.start()
        if open_event is not None:
            await aos.accept_event(training(open_event))
            pipe.send(("ended", open_event, _is_well(await _ended(aos, open_event))))
        if event is not None:
            Trap.set(*trap)
            await aos.accept_event(training(event))
            row = await _ended(aos, event)
            Trap.set("", 0)
            pipe.send(("survived", event, _is_well(row)))


async def _some_token() -> Token:
    return Token("a-token", 9e9)


async def _ended(aos: FusedSystem, number: int) -> EventRow:
    key = training(number).key
    for _ in range(10_000):
        row = await aos.parts.store.event(TRAINER, key)
        if row is not None and row.status in ENDS:
            return row
        await aos.clock.sleep(0.002)
    raise AssertionError(f"event {number} did not end")


def _is_well(row: EventRow) -> bool:
    said = msgspec.json.decode(row.result) if isinstance(row.result, msgspec.Raw) else row.result
    return row.status is Status.DONE and said["is_error"] is False
