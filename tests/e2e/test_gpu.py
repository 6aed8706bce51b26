"""Agents on a GPU endpoint that breaks in every way it knows: each event ends well, and none loses an attempt to it."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event, PurposeDrivenAgent
from AgentOperatingSystem.agents.thinking import model_of
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.gate import Gate
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.registry import Models
from AgentOperatingSystem.ml.running import RunningModels
from AgentOperatingSystem.ml.tokens import Token
from AgentOperatingSystem.ml.wrappers import wrapped
from AgentOperatingSystem.proof.gpu.crowd import Scarce
from AgentOperatingSystem.proof.gpu.endpoint import Service, serving
from AgentOperatingSystem.storage.records import Status
from tests.clocks import CLOCK
from tests.systems import running

CROWD = 300
FAULTS = ("503", "503", "429", "424", "408", "cut", "ok", "ok", "ok")


class Desk:
    """Gives a token for each time it is asked; the endpoint takes only the newest."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.given = 0

    async def __call__(self) -> Token:
        self.given += 1
        self.service.letters = {f"t-{self.given}"}
        return Token(f"t-{self.given}", 9e9)

    async def revoke(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            self.service.letters = {"another"}


class Asker(BaseAgent):
    name = "asker"

    async def on_event(self, event: Event, context: Context) -> Any:
        request = ModelRequest.ask(str(event.data), adapter=context.agent.key)
        if event.data % 2:
            return (await context.think(request)).text
        last = [delta async for delta in model_of().stream(request)][-1].response
        return last.text if last is not None else None


def config(service: Service, folder: Path, **settings: Any) -> AOSConfig:
    path = folder / "endpoints.json"
    path.write_text(json.dumps({"endpoints": {"gpu": {"url": f"{service.url}/v1", "at_once_max": 8}}}))
    return AOSConfig(
        data_dir=folder / "data",
        model="azureml/gpu",
        azureml_endpoints_file=path,
        backoff_base_seconds=0.02,
        backoff_max_seconds=0.1,
        model_wait_seconds_max=0.2,
        model_breaker_seconds=0.1,
        **settings,
    )


async def test_no_event_is_lost_or_consumed_by_an_endpoint_that_breaks(tmp_path: Path) -> None:
    service = Service(at_once=8, retry_seconds=0.02, token_seconds=0.002, answer_seconds=0.002)
    luck = random.Random(7)
    service.plan += [luck.choice(FAULTS) for _ in range(150)]
    async with serving(service):
        settings, desk = config(service, tmp_path, model_attempts_max=1), Desk(service)
        aos = AgentOperatingSystem(settings)
        aos.models = RunningModels(settings, tokens=desk)
        await aos.register_agent(Asker)
        async with aos:
            revoking = asyncio.create_task(desk.revoke())
            events = [
                Event(type="ask", source="/t", id=str(n), agent=AgentId("asker", f"a{n % 10}"), data=n)
                for n in range(100)
            ]
            answers = await asyncio.gather(*(aos.process_event(event, 60) for event in events))
            revoking.cancel()
            rows = [await aos.parts.store.event(event.agent, event.key) for event in events if event.agent is not None]
    assert answers == [f"a{n % 10}: {n}" for n in range(100)]
    assert {(row.status, row.attempts) for row in rows if row is not None} <= {(Status.DONE, 0), (Status.DONE, 1)}
    assert service.answered == 100
    assert not service.plan
    assert desk.given > 1


async def test_each_agents_adapter_answers_for_it(tmp_path: Path) -> None:
    async with serving(Service()) as service:
        settings = config(service, tmp_path)
        aos = AgentOperatingSystem(settings)
        aos.models = RunningModels(settings, tokens=Desk(service))
        for name in ("ceo", "cfo"):
            await aos.register_agent(PurposeDrivenAgent(agent_id=name, purpose="Oversight", adapter_name=name))
        async with aos:
            ask = {"type": "ask", "data": "Shall we?"}
            decided = [await aos.process_event({"agent": name, **ask}, 30) for name in ("ceo", "cfo")]
            kept = await aos.context_server("ceo").recall_prefix("decision/", 100)
    assert [each["decision"] for each in decided] == ["ceo: Shall we?", "cfo: Shall we?"]
    assert {asked.body["model"] for asked in service.asked} == {"ceo", "cfo"}
    assert [record["adapter"] for record in kept.values()] == ["ceo"]


class Crowd(BaseAgent):
    name = "crowd"
    model: ModelProvider

    async def on_event(self, event: Event, context: Context) -> Any:
        return (await context.think(ModelRequest.ask(f"question {context.agent.key}"), model=Crowd.model)).text


@pytest.mark.virtual_time
async def test_a_crowd_of_agents_on_an_endpoint_that_serves_eight() -> None:
    """Through the kernel: who is sent away by the gate parks its event and comes again, and loses nothing by it."""
    endpoint = Scarce()
    settings = AOSConfig(model_wait_seconds_max=0)
    Crowd.model = wrapped(endpoint, Models(settings, clock=CLOCK).wraps(Gate("gpu", wait_seconds_max=20.0)))
    system = await running(Crowd)
    rows = await asyncio.gather(*(system.handle(AgentId("crowd", str(n)), "1") for n in range(CROWD)))
    assert {(row.status, row.attempts) for row in rows} <= {(Status.DONE, 0), (Status.DONE, 1)}
    assert endpoint.offered <= 1.2 * CROWD
    assert asyncio.get_running_loop().time() < 1.5 * CROWD / 8
