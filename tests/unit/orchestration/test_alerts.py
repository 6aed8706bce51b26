"""Alerts begin once and end once, however many hosts look and however often; what flaps or is silent is not told."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, NotFound, Quarantine
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.observability.registry import Registry
from AgentOperatingSystem.orchestration.alerts.agent import ALERTS, Alerts
from AgentOperatingSystem.orchestration.alerts.book import STALE_SECONDS, TOLD_MAX, Book, Checked, Report, decide
from AgentOperatingSystem.orchestration.alerts.desk import OTHERS, SUBJECTS_MAX, AlertDesk
from AgentOperatingSystem.orchestration.alerts.meters import Meters, quantile
from AgentOperatingSystem.orchestration.alerts.rules import MetricRule, Rules
from tests.clocks import CLOCK, advance
from tests.systems import System, World

RULES: dict[str, Any] = {
    "store": [{"name": "sick", "watch": "quarantined", "for_seconds": 60, "severity": "critical"}],
    "metrics": [{"name": "warm", "metric": "room.degrees", "of": "gauge", "above": 30, "for_seconds": 120}],
}


class Sick(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        raise Quarantine("it cannot be read")


class Listener(BaseAgent):
    """Keeps what is published about alerts."""

    subscriptions = (ALERTS,)

    async def on_event(self, event: Event, context: Context) -> Any:
        self.state = {"heard": [*(self.state or {}).get("heard", []), [event.type, event.data]]}


def written(folder: Path, rules: Any = RULES) -> Path:
    path = folder / "alerts.json"
    path.write_bytes(msgspec.json.encode(rules))
    return path


class Host:
    """A host with a desk of its own, and metrics of its own."""

    def __init__(self, name: str, world: World, rules: Path, agents: Any = (Sick, Listener)) -> None:
        self.system = System(*agents, world=world, routes=())
        self.system.registry.register_system(Alerts)
        self.metrics = Registry()
        config = AOSConfig(alerts_file=rules)
        bus: Any = self.system.bus
        self.desk = AlertDesk(self.system.parts, self.system.mailroom, bus, config, host=name, registry=self.metrics)


@pytest.fixture
async def hosts(tmp_path: Path) -> Any:
    world, rules = World(), written(tmp_path)
    made = [Host(name, world, rules) for name in ("a", "b")]
    for each in made:
        await each.system.subscriptions.refresh(each.system.parts, "default")
        each.system.pump.start()
    yield made
    for each in made:
        await each.system.pump.drain(0.0)


async def told(host: Host) -> list[tuple[str, str]]:
    state = await (await host.system.kernel.awaken_fresh(AgentId("listener"))).load_state()
    return [(kind.removeprefix("aos.alert."), data["subject"]) for kind, data in (state or {"heard": []})["heard"]]


async def look(hosts: list[Host], seconds: float = 30.0, times: int = 1) -> None:
    for _ in range(times):
        await asyncio.gather(*(host.desk.look() for host in hosts))
        await advance(seconds)


pytestmark = pytest.mark.manual_time


async def test_an_alert_begins_once_and_ends_once_whatever_the_number_of_hosts_and_looks(hosts: list[Host]) -> None:
    one = hosts[0]
    event = await one.system.send("sick", "1")
    await look(hosts, times=2)
    assert await told(one) == []  # it has not stood for a minute
    await look(hosts, times=6)
    assert await told(one) == [("begun", "sick")]
    assert [(each.rule, each.subject, each.standing.value) for each in await one.desk.firing()] == [("sick", "sick", 1)]
    await one.system.quarantine.drop(AgentId("sick"), event.key)
    await look(hosts, times=6)
    assert await told(one) == [("begun", "sick"), ("resolved", "sick")]
    assert await one.desk.firing(pending=True) == []


async def test_a_look_that_finds_nothing_new_costs_no_event(hosts: list[Host]) -> None:
    one = hosts[0]
    await one.system.send("sick", "1")
    await advance(1)
    assert [await one.desk.look() for _ in range(2)] == [True, True]  # nobody has handled the first report yet
    await advance(61)
    assert await one.desk.look()  # it has stood for long enough
    await advance(1)
    assert [await each.desk.look() for each in hosts] == [False, False]
    page = await one.system.world.store.events(AgentId(ALERTS))
    assert len(page.items) == 2  # the two looks of the same instant were one event


async def test_what_flaps_is_not_told_and_what_fires_does_not_end_at_the_first_good_value(hosts: list[Host]) -> None:
    one = hosts[0]
    for degrees in (31, 20) * 10:
        one.metrics.gauge("room.degrees", degrees)
        await look(hosts, 60)
    assert await told(one) == []
    one.metrics.gauge("room.degrees", 35)
    await look(hosts, 60, times=4)
    for degrees in (20, 31) * 10:
        one.metrics.gauge("room.degrees", degrees)
        await look(hosts, 60)
    assert await told(one) == [("begun", "a")]
    one.metrics.gauge("room.degrees", 20)
    await look(hosts, 60, times=4)
    assert await told(one) == [("begun", "a"), ("resolved", "a")]


async def test_a_metric_is_each_hosts_own(hosts: list[Host]) -> None:
    for host, degrees in zip(hosts, (31, 40), strict=True):
        host.metrics.gauge("room.degrees", degrees)
    await look(hosts, 60, times=4)
    assert sorted(await told(hosts[0])) == [("begun", "a"), ("begun", "b")]
    hosts[0].metrics.gauge("room.degrees", 1)
    await look(hosts, 60, times=4)
    assert (await told(hosts[0]))[2:] == [("resolved", "a")]


async def test_a_host_that_is_gone_is_not_ill_for_ever(hosts: list[Host]) -> None:
    a, b = hosts
    b.metrics.gauge("room.degrees", 40)
    await look(hosts, 60, times=4)
    await look([a], STALE_SECONDS / 2, times=4)
    assert await told(a) == [("begun", "b"), ("resolved", "b")]


async def test_a_silent_rule_tells_nothing_until_the_silence_ends(hosts: list[Host]) -> None:
    one = hosts[0]
    until = await one.desk.silence("sick", 600, "deploying")
    assert until == CLOCK.now() + 600
    assert await one.desk.silences() == {"sick": (until, "deploying")}
    await one.system.send("sick", "1")
    await look(hosts, 60, times=6)
    assert (await told(one), len(await one.desk.firing())) == ([], 1)
    await look(hosts, 60, times=8)
    assert await told(one) == [("begun", "sick")]


async def test_a_silence_can_be_ended_and_is_of_a_rule_that_there_is(hosts: list[Host]) -> None:
    desk = hosts[0].desk
    await desk.silence("sick", 600)
    await desk.silence("sick", 0)
    assert await desk.silences() == {}
    with pytest.raises(NotFound, match="no alert rule 'sikc'; there are sick, warm"):
        await desk.silence("sikc", 60)
    with pytest.raises(InvalidInput, match="use 0 to 2592000 s"):
        await desk.silence("sick", 1e9)


async def test_many_subjects_are_one_more(hosts: list[Host]) -> None:
    class Many(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            raise Quarantine("no")

    for host in hosts:
        host.system.registry.register(Many)
    for number in range(SUBJECTS_MAX + 3):
        await hosts[0].system.send(f"many/{number:03}", "1")
    await look(hosts, 60, times=3)
    found = await hosts[0].desk.firing()
    assert len(found) == SUBJECTS_MAX + 1
    assert {each.subject: each.standing.value for each in found}[OTHERS] == 3
    await look(hosts, 60, times=3)
    assert len(await told(hosts[0])) == SUBJECTS_MAX + 1


# --- what is decided -------------------------------------------------------------------------------------------


def report(at: float, *subjects: str, complete: bool = True) -> Report:
    found = dict.fromkeys(subjects, 1.0)
    return Report(host="h", at=at, checked=(Checked(rule="r", severity="info", is_complete=complete, found=found),))


def test_the_same_report_twice_is_the_same_as_once() -> None:
    book, first = decide(Book(), report(100, "x"), {})
    again, second = decide(book, report(100, "x"), {})
    assert (again == book, [each.what for each in first], second) == (True, ["begun"], [])


def test_an_old_report_ends_nothing() -> None:
    book, _ = decide(Book(), report(100, "x"), {})
    after, said = decide(book, report(99), {})
    assert (after == book, said) == (True, [])


def test_an_incomplete_look_ends_nothing() -> None:
    book, _ = decide(Book(), report(100, "x"), {})
    assert decide(book, report(101, complete=False), {}) == (book, [])
    assert [each.what for each in decide(book, report(101), {})[1]] == ["resolved"]


def test_what_one_report_has_no_room_for_the_next_one_tells() -> None:
    names = [f"s{number}" for number in range(TOLD_MAX + 10)]
    book, first = decide(Book(), report(100, *names), {})
    book, second = decide(book, report(101, *names), {})
    assert (len(first), len(second)) == (TOLD_MAX, 10)
    book, first = decide(book, report(102), {})
    book, second = decide(book, report(103), {})
    assert (len(first), len(second), book) == (TOLD_MAX, 10, Book())


# --- metrics ---------------------------------------------------------------------------------------------------


def test_a_rate_is_taken_over_its_window() -> None:
    registry = Registry()
    meters = Meters(registry)
    rule = MetricRule(name="r", metric="failed_total", of="rate", above=1, window_seconds=100)
    assert meters.over(rule, 0) == {}  # nobody has counted anything
    registry.increment("failed", 10, kind="a")
    assert meters.over(rule, 0) == {}  # one look is no rate
    registry.increment("failed", 100, kind="a")
    registry.increment("failed", 50, kind="b")
    assert meters.over(rule, 50) == {"": 3.0}
    assert meters.over(rule, 100) == {"": 1.5}
    assert meters.over(rule, 200) == {}


def test_labels_choose_series_and_per_parts_them() -> None:
    registry = Registry()
    for kind, place, value in (("a", "x", 5.0), ("b", "x", 7.0), ("c", "y", 9.0)):
        registry.gauge("depth", value, kind=kind, place=place)
    meters = Meters(registry)
    rule = MetricRule(name="d", metric="depth", of="gauge", above=4, labels={"place": "x"}, per="kind")
    assert meters.over(rule, 0) == {"a": 5.0, "b": 7.0}
    assert meters.over(MetricRule(name="d", metric="depth", of="gauge", below=6), 0) == {"": 5.0}


def test_a_quantile_is_of_what_was_observed_within_the_window() -> None:
    registry = Registry()
    registry.describe("wait", "", (1.0, 2.0, 4.0))
    meters = Meters(registry)
    rule = MetricRule(name="w", metric="wait", of="quantile", quantile=0.5, above=2, window_seconds=60)
    registry.histogram("wait", 0.5)
    assert meters.over(rule, 0) == {}
    for value in (3.0, 3.0):
        registry.histogram("wait", value)
    assert meters.over(rule, 60) == {"": 3.0}  # half of two within (2, 4], taken as even
    assert meters.over(rule, 120) == {}


@pytest.mark.parametrize(
    ("part", "counts", "value"),
    [(0.5, (4, 4, 0), 1.0), (0.75, (4, 4, 0), 1.5), (0.9, (0, 0, 3), 2.0), (0.5, (0, 0, 0), None)],
)
def test_quantiles_by_hand(part: float, counts: tuple[float, ...], value: float | None) -> None:
    assert quantile(part, (1.0, 2.0), counts) == value


# --- rules -----------------------------------------------------------------------------------------------------


def test_the_shipped_rules_are_rules() -> None:
    assert list(Rules.of(None).all) == [
        "events_quarantined", "events_in_doubt", "approvals_waiting", "budget_reached", "mailbox_deep",
        "events_failing", "queue_deep",
    ]  # fmt: skip


def test_a_file_stands_in_place_of_the_shipped_rules_or_over_them(tmp_path: Path) -> None:
    own = {"name": "mailbox_deep", "watch": "mailbox", "above": 5}
    assert list(Rules.of(written(tmp_path, {"store": [own]})).all) == ["mailbox_deep"]
    both = Rules.of(written(tmp_path, {"store": [own], "shipped": True}))
    assert (len(both.all), both.all["mailbox_deep"].above) == (7, 5)


METRIC = {"name": "m", "metric": "x", "of": "gauge", "above": 1}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"metrics": [METRIC, METRIC]}, r"there are two rules 'm' - at `\$\.metrics\[1\]`"),
        ({"metrics": [METRIC | {"below": 0}]}, r"give either above or below - at `\$\.metrics\[0\]`"),
        ({"metrics": [METRIC | {"of": "mean"}]}, r"Invalid enum value 'mean' - at `\$\.metrics\[0\]\.of`"),
        ({"metrics": [METRIC | {"quantile": 95}]}, r"quantile: use a number between 0 and 1 - at `\$\.metrics\[0\]`"),
        ({"metrics": [METRIC | {"window_seconds": 0}]}, r"window_seconds: use 1 to 86400 - at"),
        ({"metrics": [METRIC | {"for_seconds": -1}]}, r"for_seconds: use 0 to 86400 - at"),
        ({"metrics": [METRIC | {"name": "M m"}]}, r"name 'M m': use small letters"),
        ({"store": [{"name": "s", "watch": "silence"}]}, r"of agents that are named.*- at `\$\.store\[0\]`"),
        ({"every_seconds": 0}, r"use 1 to 86400 - at `\$\.every_seconds`"),
        ({"rules": []}, r"unknown field `rules`"),
    ],
)
def test_a_bad_file_is_one_line_with_the_place(tmp_path: Path, content: Any, says: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(ConfigurationError, match=says) as caught:
        Rules.of(path)
    assert str(caught.value).startswith(f"alerts_file {path}: ")
    assert "\n" not in str(caught.value)
