"""What rules about the store find, on a system with files; and that a webhook which is down loses no alert."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.agents.budgets import Budget, Limits
from AgentOperatingSystem.errors import ConfigurationError, Retryable
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.orchestration.alerts import watching
from AgentOperatingSystem.orchestration.alerts.rules import StoreRule, Watched
from AgentOperatingSystem.orchestration.alerts.watching import Look
from AgentOperatingSystem.storage.memory import MemoryAgentStore
from AgentOperatingSystem.storage.records import Change, EventRow, Head, Status
from tests.clocks import CLOCK
from tests.systems import System, World, passed, running
from tests.unit.orchestration.test_budgets import thinker
from tests.unit.orchestration.test_notifying import Hook, heard
from tests.unit.orchestration.test_notifying import hook as hook  # a fixture
from tests.waiting import until


class Curious(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return await context.ask_human("Go?", ["yes", "no"])


class Later(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        raise Retryable("not yet", after_seconds=3600)


class Idle(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        return None


class Broken(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        raise RuntimeError("it is broken")


async def over(
    aos: AgentOperatingSystem, watch: Watched, above: float = 0.0, *, later: float = 0.0, agent: str = ""
) -> Any:
    rule = StoreRule(name="r", watch=watch, above=above, agent=agent)
    return await Look(aos.parts, "default", aos.clock.now() + later).over(rule)


async def ended(aos: AgentOperatingSystem, agent: str, status: str) -> None:
    async def look() -> list[str]:
        page = await aos.parts.store.events(aos.address(agent))
        return [row.status.value for row in page.items]

    await until(look, lambda found: status in found)


async def test_who_waits_for_a_person_and_how_long(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        await aos.register_agent(Curious)
        await aos.accept_event({"agent": "curious", "type": "t", "id": "1"})
        await ended(aos, "curious", "waiting")
        assert (await over(aos, "approvals", 60)).values == {}
        found = await over(aos, "approvals", 60, later=100)
        assert (found.values.keys(), found.is_complete) == ({"curious"}, True)
        assert 99 < found.values["curious"] < 102
        assert (await over(aos, "budget")).values == {}
        assert (await over(aos, "approvals", 60, later=100, agent="other")).values == {}


async def test_what_is_parked_and_who_is_silent(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
        await aos.register_agent(Later)
        await aos.register_agent(Idle)
        for number in range(3):
            await aos.accept_event({"agent": "later", "type": "t", "id": f"{number}"})
        await aos.process_event({"agent": "idle/x", "type": "t"})
        await aos.process_event({"agent": "idle/y", "type": "t"})
        await until(lambda: over(aos, "mailbox", 2), lambda found: found.values == {"later": 3.0})
        assert (await over(aos, "mailbox", 3)).values == {}
        assert (await over(aos, "silence", 60, agent="idle/")).values == {}
        assert (await over(aos, "silence", 60, later=90, agent="idle/")).values.keys() == {"idle/x", "idle/y"}
        await aos.deregister_agent("idle/x")
        assert (await over(aos, "silence", 60, later=90, agent="idle/")).values.keys() == {"idle/y"}


async def test_what_is_quarantined(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, attempts_max=1)) as aos:
        await aos.register_agent(Broken)
        await aos.accept_event({"agent": "broken", "type": "t"})
        await ended(aos, "broken", "quarantined")
        assert (await over(aos, "quarantined")).values == {"broken": 1.0}
        assert (await over(aos, "in_doubt")).values == {}


@pytest.mark.virtual_time
async def test_who_waits_for_a_limit() -> None:
    system = await running(thinker(Budget(total=Limits(model_calls=1))))
    await system.send("thinker", "1", data=2)
    await passed(60)
    rule = StoreRule(name="r", watch="budget")
    assert (await Look(system.parts, "default", CLOCK.now()).over(rule)).values == {"thinker": 1.0}


async def test_what_nobody_knows_the_outcome_of() -> None:
    agent, store = AgentId("payer"), MemoryAgentStore()
    rows = (
        EventRow(key="1", event=Event(type="t", agent=agent), status=Status.IN_DOUBT),
        EventRow(key="2", event=Event(type="t", agent=agent), status=Status.DIVERGED),
    )
    await store.commit(Change(head=Head(agent=agent), etag="", inserts=rows))
    parts: Any = System(world=World(store=store)).parts
    found = await Look(parts, "default", 0.0).over(StoreRule(name="r", watch="in_doubt", above=1))
    assert found.values == {"payer": 2.0}


async def test_a_look_goes_so_far_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "ROWS_MAX", 2)
    monkeypatch.setattr(watching, "_PAGE", 1)
    agent, store = AgentId("ill"), MemoryAgentStore()
    rows = [EventRow(key=f"{n}", event=Event(type="t", agent=agent), status=Status.QUARANTINED) for n in range(3)]
    await store.commit(Change(head=Head(agent=agent), etag="", inserts=tuple(rows)))
    parts: Any = System(world=World(store=store)).parts
    found = await Look(parts, "default", 0.0).over(StoreRule(name="r", watch="quarantined"))
    assert (found.values, found.is_complete) == ({"ill": 2.0}, False)


async def test_a_webhook_that_is_down_loses_no_alert(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [503, 503, 200]
    config = AOSConfig(data_dir=tmp_path, attempts_max=5, alerts_webhook_url=hook.url, backoff_base_seconds=0.01)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Later)
        await aos.accept_event({"agent": "aos.unrouted", "type": "lost"})
        await ended(aos, "aos.unrouted", "quarantined")
        await aos.keep_house()  # what the pulse of Azure Functions calls
        first, second, third = await heard(hook, 3)
        assert first == second == third
        key, begun = third
        assert begun["type"] == "aos.alert.begun"
        assert {name: begun["data"][name] for name in ("rule", "subject", "severity", "value")} == {
            "rule": "events_quarantined",
            "subject": "aos.unrouted",
            "severity": "warning",
            "value": 1.0,
        }
        assert metrics.value("aos.alerts.firing", rule="events_quarantined", severity="warning") == 1.0
        (row,) = (await aos.quarantine.list("default")).items
        assert row.event.agent is not None
        await aos.quarantine.drop(row.event.agent, row.key)
        await aos.keep_house()
        other, resolved = (await heard(hook, 4))[3]
        assert (resolved["type"], other != key) == ("aos.alert.resolved", True)


async def test_a_webhook_that_stays_down_leaves_the_alert_in_the_quarantine(tmp_path: Path, hook: Hook) -> None:
    hook.answers = [503]
    config = AOSConfig(data_dir=tmp_path, attempts_max=2, alerts_webhook_url=hook.url, backoff_base_seconds=0.01)
    async with AgentOperatingSystem(config) as aos:
        await aos.accept_event({"agent": "aos.unrouted", "type": "lost"})
        await ended(aos, "aos.unrouted", "quarantined")
        await aos.keep_house()
        await ended(aos, "aos.alert_notifier", "quarantined")
        hook.answers = [200]
        page = await aos.quarantine.list("default")
        (row,) = (row for row in page.items if row.event.agent == aos.address("aos.alert_notifier"))
        await aos.quarantine.redrive(aos.address("aos.alert_notifier"), row.key)
        assert (await heard(hook, 3))[2][1]["type"] == "aos.alert.begun"


async def test_wrong_rules_keep_the_system_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "rules.json"
    path.write_bytes(msgspec.json.encode({"store": [{"name": "x", "watch": "weather"}]}))
    aos = AgentOperatingSystem(AOSConfig(data_dir=tmp_path / "data", alerts_file=path))
    with pytest.raises(ConfigurationError, match=r"Invalid enum value 'weather' - at `\$\.store\[0\]\.watch`"):
        await aos.initialize()
