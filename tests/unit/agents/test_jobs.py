"""Long jobs: submitted once, waited for without running, ended from outside or by polls, cancelled with their event."""

import asyncio
from typing import Any

import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.jobs import completion_path
from AgentOperatingSystem.agents.perpetual_agent import PerpetualAgent
from AgentOperatingSystem.errors import ConfigurationError, IllegalTransition, Retryable, UnknownEvent, UnknownTool
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.cancelling import CancelDesk
from AgentOperatingSystem.storage.records import EventRow, Status
from AgentOperatingSystem.tools import cancels
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool
from AgentOperatingSystem.tools.records import Submitted
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time
TRAINER = AgentId("trainer")
submitted: list[str] = []
cancelled: list[str] = []
polls: list[str] = []
answers: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    for each in (submitted, cancelled, polls, answers):
        each.clear()


def stop(job_id: str) -> None:
    cancelled.append(job_id)


async def submit(data: str, idempotency_key: str) -> Submitted:
    """Trains on some data."""
    job_id = f"job-{idempotency_key[:8]}"
    submitted.append(job_id)
    return Submitted(job_id, expires_seconds=7200)


async def poll(job_id: str) -> Any:
    polls.append(job_id)
    if answers.get("broken"):
        raise OSError("no network")
    return answers.get("result")


class Trainer(BaseAgent):
    tool: FunctionTool

    async def on_event(self, event: Event, context: Context) -> Any:
        made = await context.call(Trainer.tool, data=event.data)
        if event.data == "unlucky" and context.attempt == 1:
            raise Retryable
        return [made.content, made.is_error]


async def training(made: FunctionTool, data: str = "d") -> tuple[System, EventRow]:
    Trainer.tool = made
    system = await running(Trainer)
    await system.send("trainer", "1", data=data)
    return system, await there(system, Status.WAITING)


async def there(system: System, *statuses: Status) -> EventRow:
    for _ in range(1000):
        row = (await system.rows("trainer")).get("1")
        if row is not None and row.status in statuses:
            return row
        await passed(0.1)
    raise AssertionError(await system.statuses("trainer"))


async def test_its_end_comes_from_outside() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent"))
    assert (await system.head("trainer")).backlog == 0  # nothing runs, and nothing is held up
    done = await system.answers.complete(TRAINER, row.key, submitted[0], result={"loss": 0.1})
    assert not done.is_open
    assert result_of(await there(system, Status.DONE)) == ['{"loss":0.1}', False]
    assert len(submitted) == 1
    with pytest.raises(IllegalTransition):
        await system.answers.complete(TRAINER, row.key, submitted[0], result=2)


async def test_its_end_comes_as_an_event() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent"))
    correlation = f"wait:{row.key}/{row.waits[0]}"
    await system.handle("trainer", "a", type="aos.answer", correlation=correlation, data={"error": "out of memory"})
    assert result_of(await there(system, Status.DONE)) == ["the job failed: out of memory", True]


async def test_another_job_is_not_this_one() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent"))
    with pytest.raises(UnknownEvent):
        await system.answers.complete(TRAINER, row.key, "other", result=1)
    assert (await system.row("trainer", "1")).status is Status.WAITING


async def test_it_does_not_end_in_time() -> None:
    system, _ = await training(FunctionTool(submit, name="train", effect="idempotent"))
    await passed(7201)
    said, is_error = result_of(await there(system, Status.DONE))
    assert (said, is_error) == (f"train: job {submitted[0]} did not end within 7200 s", True)


async def test_its_time_counts_from_its_submission_however_late_its_event_comes_to_it() -> None:
    class Patient(Trainer):
        name = "trainer"

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.ask_human("May I?", expires_seconds=10_000)
            return await super().on_event(event, context)

    Trainer.tool = FunctionTool(submit, name="train", effect="idempotent", poll=poll, poll_seconds=60)
    system = await running(Patient)
    await system.send("trainer", "1", data="d")
    row = await there(system, Status.WAITING)
    await passed(9000)  # longer than the job has
    await system.answers.answer(TRAINER, row.key, "yes", by="ann")
    await passed(50)
    assert (len(submitted), polls) == (1, [])
    answers["result"] = "trained"
    await passed(20)
    assert result_of(await there(system, Status.DONE)) == ["trained", False]
    assert len(polls) == 1


async def test_it_is_polled_at_growing_intervals() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent", poll=poll, poll_seconds=60))
    began = row.began_at
    await passed(61)
    assert len(polls) == 1
    await passed(100)
    assert len(polls) == 1
    await passed(21)
    assert len(polls) == 2
    answers["result"] = "trained"
    row = await there(system, Status.WAITING)
    await passed(250)
    row = await there(system, Status.DONE)
    assert result_of(row) == ["trained", False]
    assert len(submitted) == 1
    assert 60 + 120 + 240 <= row.finished_at - began < 430


async def test_a_poll_that_fails_is_made_again_and_told_in_the_end() -> None:
    answers["broken"] = True
    system, _ = await training(FunctionTool(submit, name="train", effect="idempotent", poll=poll))
    await passed(7300)
    said, is_error = result_of(await there(system, Status.DONE))
    assert is_error
    assert said.endswith("did not end within 7200 s; the last poll said: OSError: no network")
    assert 6 <= len(polls) <= 9


async def test_an_end_from_outside_is_faster_than_a_poll() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent", poll=poll))
    await passed(100)
    row = await there(system, Status.WAITING)
    await system.answers.complete(TRAINER, row.key, submitted[0], result="trained")
    assert result_of(await there(system, Status.DONE)) == ["trained", False]
    assert len(polls) == 1


async def test_a_retry_attaches_to_the_same_job() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent"), "unlucky")
    await system.answers.complete(TRAINER, row.key, submitted[0], result="trained")
    assert result_of(await there(system, Status.DONE)) == ["trained", False]
    assert len(submitted) == 1


async def test_a_host_that_dies_in_the_submission_attaches_to_the_same_job() -> None:
    gate = [asyncio.Event()]

    async def slow(data: str, idempotency_key: str) -> Submitted:
        made = await submit(data, idempotency_key)
        if gate:
            await gate.pop().wait()
        return made

    Trainer.tool = FunctionTool(slow, name="train", effect="idempotent")
    first = await running(Trainer)
    await first.send("trainer", "1", data="d")
    await passed(1)
    await first.crash()
    second = await running(Trainer, world=first.world)
    await passed(40)
    row = await there(second, Status.WAITING)
    assert len(submitted) == 2
    assert len(set(submitted)) == 1  # the same key, the same job
    await second.answers.complete(TRAINER, row.key, submitted[0], result="trained")
    assert result_of(await there(second, Status.DONE)) == ["trained", False]


async def test_cancelling_the_event_cancels_the_job() -> None:
    system, row = await training(FunctionTool(submit, name="train", effect="idempotent", cancel=stop))
    await CancelDesk(system.parts, system.kernel).cancel(TRAINER, row.event.source, "1", "too dear")
    await passed(1)
    assert cancelled == submitted
    (done,) = (await system.rows("aos.jobs")).values()
    assert (done.status, done.event.causation) == (Status.DONE, "1")
    with pytest.raises(IllegalTransition):
        await system.answers.complete(TRAINER, row.key, submitted[0], result="late")


async def test_a_job_that_has_ended_is_not_cancelled() -> None:
    class Late(Trainer):
        name = "trainer"

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.call(Trainer.tool, data="d")
            return await context.ask_human("Good?")

    Trainer.tool = FunctionTool(submit, name="train", effect="idempotent", cancel=stop)
    system = await running(Late)
    await system.send("trainer", "1")
    row = await there(system, Status.WAITING)
    await system.answers.complete(TRAINER, row.key, submitted[0], result="trained")
    await passed(1)
    await there(system, Status.WAITING)
    await CancelDesk(system.parts, system.kernel).cancel(TRAINER, row.event.source, "1")
    await passed(1)
    assert cancelled == []


def test_what_cancels_can_be_found_again() -> None:
    assert cancels.found(cancels.named(stop)) is stop
    assert cancels.found("os.path:join").__name__ == "join"
    for wrong in ("os.path:nothing", "no_such_module:f", "os:sep"):
        with pytest.raises(UnknownTool):
            cancels.found(wrong)
    wrong_functions: list[Any] = [lambda job_id: None, submitted.append]
    for wrong_function in wrong_functions:
        with pytest.raises(ConfigurationError, match="top of a module"):
            FunctionTool(submit, cancel=wrong_function)


async def test_a_tool_knows_where_its_job_is_to_be_told_finished() -> None:
    paths: list[str] = []

    @tool(effect="idempotent")
    async def train(data: str, idempotency_key: str) -> Submitted:
        paths.append(completion_path())
        return Submitted("j")

    Trainer.tool = train
    system = await running(Trainer)
    await system.send("trainer/big one", "1", data="d")
    await passed(1)
    (row,) = (await system.rows("trainer/big one")).values()
    assert paths == [f"/api/v1/jobs/trainer/{row.key}?key=big%20one"]
    with pytest.raises(ConfigurationError):
        completion_path()


async def test_a_model_reads_the_result_of_a_job_and_its_conversation_waits() -> None:
    train = FunctionTool(submit, name="train", effect="idempotent")
    model = ScriptedModel([ToolCall("1", "train", {"data": "d"}), "It is trained.", "Yes?"])
    system = await running(PerpetualAgent([train], agent_id="trainer", model=model))
    await system.send("trainer", "1", data="Train!", conversation="c")
    row = await there(system, Status.WAITING)
    await system.send("trainer", "2", data="Hello?", conversation="c")
    await passed(5)
    assert (await system.statuses("trainer"))["2"] == "parked"
    await system.answers.complete(TRAINER, row.key, submitted[0], result="loss 0.1")
    assert result_of(await there(system, Status.DONE)) == "It is trained."
    await passed(5)
    assert result_of(await system.row("trainer", "2")) == "Yes?"
    assert model.requests[1].messages[-1].text == "" or "loss 0.1" in str(model.requests[1].messages)
    assert (len(model.requests), len(submitted)) == (3, 1)
