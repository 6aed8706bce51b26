"""GPU jobs: submitted once to a workspace on loopback, woken by Azure's event or a poll, cancelled and expired."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.agent_operating_system import AgentOperatingSystem
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.gpu_jobs import GpuJob, look
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import BadModelRequest, ConfigurationError, InvalidInput, Retryable, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml import running as running_models
from AgentOperatingSystem.ml.azure_ml_jobs import AzureMLJobs, job_body, job_name, read_state
from AgentOperatingSystem.ml.tokens import Token
from AgentOperatingSystem.proof.gpu.endpoint import Service, serving
from AgentOperatingSystem.storage.records import EventRow, Status
from tests.systems import result_of

STATUS_CHANGED = "Microsoft.MachineLearningServices.RunStatusChanged"
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
TEMPLATE = {"jobType": "Command", "command": "train.py", "inputs": {"data": {"jobInputType": "uri_folder"}}}
TRAINER = AgentId("trainer")


async def some_token() -> Token:
    return Token("a-token", 9e9)


class Trainer(BaseAgent):
    name = "trainer"
    tool = GpuJob("train", poll_seconds=3600)

    async def on_event(self, event: Event, context: Context) -> Any:
        made = await context.call(Trainer.tool, inputs={"data": "azureml://data", "epochs": 3})
        if event.data == "unlucky" and context.attempt == 1:
            raise Retryable(after_seconds=0.01)
        return [made.content, made.is_error]


class World:
    """A system and the workspace that it submits to."""

    def __init__(self, service: Service, folder: Path) -> None:
        path = folder / "endpoints.json"
        path.write_text(json.dumps({"jobs": {"train": TEMPLATE}}))
        self.service = service
        self.config = AOSConfig(
            data_dir=folder / "data",
            azureml_workspace=WORKSPACE,
            azureml_management_url=service.url,
            azureml_endpoints_file=path,
        )
        self.jobs = AzureMLJobs(self.config, tokens=some_token)
        self.aos = AgentOperatingSystem(self.config)

    async def begun(self, data: Any = None) -> EventRow:
        """The row of an event that waits for its job."""
        await self.aos.accept_event(Event(type="train", source="/people", id="1", agent=TRAINER, data=data))
        return await self.there(Status.WAITING)

    async def there(self, *statuses: Status) -> EventRow:
        key = Event(type="train", source="/people", id="1", agent=TRAINER).key
        for _ in range(1000):
            row = await self.aos.parts.store.event(TRAINER, key)
            if row is not None and row.status in statuses:
                return row
            await asyncio.sleep(0.005)
        raise AssertionError(await self.aos.parts.store.event(TRAINER, key))

    async def changed(self, job: str, status: str, number: int = 1) -> Any:
        """What becomes of an event of Event Grid's."""
        tags = self.service.jobs[job]["properties"]["tags"]
        data = {"runId": job, "runStatus": status, "runTags": tags, "experimentName": "e", "runType": "azureml"}
        event = Event(type=STATUS_CHANGED, source=WORKSPACE, id=f"e-{number}", subject=f"runs/{job}", data=data)
        return await self.aos.process_event(event, 10)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(Trainer, "tool", GpuJob("train", poll_seconds=3600))
    async with serving(Service()) as service:
        made = World(service, tmp_path)
        made.aos.models._jobs = made.jobs
        await made.aos.register_agent(Trainer)
        async with made.aos:
            yield made


async def test_azures_event_wakes_the_one_that_waits(world: World) -> None:
    row = await world.begun("unlucky")
    ((job, submitted),) = world.service.puts.items()
    assert submitted == 1
    properties = world.service.jobs[job]["properties"]
    assert properties["inputs"] == {
        "data": {"jobInputType": "uri_folder", "uri": "azureml://data"},
        "epochs": {"jobInputType": "literal", "value": "3"},
    }
    assert properties["tags"] == {"aostenant": "default", "aosagent": "trainer", "aosevent": row.key}
    assert (await world.changed(job, "Running"))["told"] is False
    world.service.end(job, model="azureml://out")
    assert (await world.changed(job, "Completed", 2))["told"] is True
    done = await world.there(Status.DONE)
    said, is_error = result_of(done)
    assert (json.loads(said)["outputs"], is_error) == ({"model": "azureml://out"}, False)
    assert (await world.changed(job, "Completed", 3))["told"] is False
    assert sum(world.service.puts.values()) == 1  # though its event was tried twice


async def test_the_event_of_a_completed_run_in_the_words_of_microsofts_example(world: World) -> None:
    await world.begun()
    ((job, submitted),) = world.service.jobs.items()
    world.service.end(job, model="azureml://out")
    data = {"ExperimentName": "e", "RunId": job, "RunType": None, "RunTags": submitted["properties"]["tags"]}
    event = Event(type="Microsoft.MachineLearningServices.RunCompleted", source=WORKSPACE, id="e-1", data=data)
    assert (await world.aos.process_event(event, 10))["told"] is True
    assert result_of(await world.there(Status.DONE))[1] is False


async def test_a_failed_job_is_an_error(world: World) -> None:
    await world.begun()
    (job,) = world.service.jobs
    world.service.end(job, "Failed")
    await world.changed(job, "Failed")
    assert result_of(await world.there(Status.DONE)) == [f"the job failed: job {job}: Failed", True]


async def test_the_poll_finds_the_end_where_no_event_comes(world: World) -> None:
    Trainer.tool = GpuJob("train", poll_seconds=0.05)
    await world.begun()
    (job,) = world.service.jobs
    world.service.end(job, "Failed")
    assert result_of(await world.there(Status.DONE)) == [f"the job failed: job {job}: Failed", True]


@pytest.mark.parametrize("how", ["cancelled", "expired"])
async def test_a_job_that_nobody_waits_for_is_cancelled(world: World, how: str) -> None:
    if how == "expired":
        Trainer.tool = GpuJob("train", expires_seconds=0.1)
    await world.begun()
    (job,) = world.service.jobs
    if how == "cancelled":
        await world.aos.cancelling.cancel(TRAINER, "/people", "1")
    else:
        said, is_error = result_of(await world.there(Status.DONE))
        assert is_error
        assert "did not end within 0.1 s" in said
    for _ in range(1000):
        if world.service.jobs[job]["properties"]["status"] == "Canceled":
            break
        await asyncio.sleep(0.005)
    assert world.service.jobs[job]["properties"]["status"] == "Canceled"


async def test_a_job_of_somebody_else_is_left_to_others(world: World) -> None:
    data = {"runId": "theirs", "runStatus": "Completed", "runTags": {}}
    event = await world.aos.accept_event(Event(type=STATUS_CHANGED, source=WORKSPACE, id="x", data=data))
    assert event.agent is not None
    assert event.agent.name == "aos.unrouted"


# --- the client -----------------------------------------------------------------------------------------------------


async def test_the_same_key_is_the_same_job(world: World) -> None:
    first = await world.jobs.submit("train", "key", {}, {})
    assert first == await world.jobs.submit("train", "key", {}, {}) == job_name("train", "key")
    assert len(world.service.jobs) == 1
    assert await world.jobs.submit("train", "other key", {}, {}) != first
    await world.jobs.cancel(first)
    assert (await world.jobs.find(first)) == read_state({"name": first, "properties": {"status": "Canceled"}})
    await world.jobs.cancel("aos-nobody")
    assert await world.jobs.find("aos-nobody") is None
    with pytest.raises(ConfigurationError, match="has no such job: train"):
        await world.jobs.submit("tune", "key", {}, {})


async def test_outside_of_an_event_no_job_is_submitted(world: World) -> None:
    with pytest.raises(InvalidInput, match="in the handling of an event"):
        await GpuJob("train")(inputs={})
    running_models.use(world.aos.models)
    with pytest.raises(Terminal, match="has no job"):
        await look("aos-nobody")


def test_what_is_configured_wrong() -> None:
    with pytest.raises(ConfigurationError, match=r"need the setting azureml_workspace \(AOS_AZUREML_WORKSPACE\)"):
        AzureMLJobs(AOSConfig())
    with pytest.raises(ConfigurationError, match=r"azureml_workspace.*a workspace is a resource id"):
        AOSConfig(azureml_workspace="w")
    with pytest.raises(ConfigurationError, match="jobType"):
        job_body({}, {}, {})


async def test_a_refused_job_is_no_job(tmp_path: Path) -> None:
    """A second PUT that may not change what is there is the same job; a refused first one is an error."""

    async with serving(Service()) as service:
        world = World(service, tmp_path)
        service.refused.add("train.py")
        with pytest.raises(BadModelRequest):
            await world.jobs.submit("train", "key", {}, {})
        service.jobs[job_name("train", "key")] = {"name": job_name("train", "key"), "properties": {}}
        assert await world.jobs.submit("train", "key", {}, {}) == job_name("train", "key")
        await world.jobs.close()
