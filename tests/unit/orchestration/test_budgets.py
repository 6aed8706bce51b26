"""Budgets of agents: room is made before a call, what it came to is written after it, and at the limit the event waits,
fails, or another model is asked.
"""

import asyncio
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.budgets import Amounts, Budget, Limits
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.agents.thinking import model_of
from AgentOperatingSystem.errors import InvalidInput, ModelUnavailable, RateLimited, Retryable
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.records import NOTHING_USED, Cost, ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.orchestration.budgets.book import BOOK, BUDGET, Book
from AgentOperatingSystem.orchestration.budgets.desk import BudgetDesk
from AgentOperatingSystem.orchestration.budgets.report import costs
from AgentOperatingSystem.orchestration.budgets.rules import BudgetFile, Budgets, day_of
from AgentOperatingSystem.orchestration.decisions import Rules
from AgentOperatingSystem.orchestration.retention import expire
from AgentOperatingSystem.storage.records import Status
from AgentOperatingSystem.tools.function_tool import tool
from tests.clocks import CLOCK
from tests.systems import System, passed, result_of, running

pytestmark = pytest.mark.virtual_time
DAY_SECONDS = 86_400.0


def answer(text: str = "yes", tokens: int = 10, cost: str | None = "0.5") -> ModelResponse:
    usage = Usage(input_tokens=tokens, output_tokens=0)
    return ModelResponse(
        text=text, usage=usage, model="m", provider="scripted", cost=Cost(Decimal(cost)) if cost else None
    )


class Thinker(BaseAgent):
    """Asks as many different questions as the event says."""

    model: ScriptedModel

    async def on_event(self, event: Event, context: Context) -> Any:
        answers = [
            await context.think(f"{event.id} {n}", model=self.model, max_output_tokens=10) for n in range(event.data)
        ]
        return [each.text for each in answers]


def thinker(budget: Budget | None, model: ScriptedModel | None = None) -> type[BaseAgent]:
    scripted = model or ScriptedModel(lambda request: answer())
    return type("Thinker", (Thinker,), {"budget": budget, "model": scripted})


class Listener(BaseAgent):
    """Hears what is published on budgets."""

    subscriptions = ("aos.budget",)
    heard: ClassVar[list[dict[str, Any]]] = []

    async def on_event(self, event: Event, context: Context) -> Any:
        Listener.heard.append({"type": event.type, **event.data})


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    Listener.heard.clear()


async def book(system: System, agent: str = "thinker") -> Book:
    value = await system.world.store.row(AgentId(agent), BUDGET, BOOK)
    return msgspec.json.decode(value, type=Book) if value is not None else Book()


def today() -> str:
    return day_of(CLOCK.now())


async def test_what_is_used_is_settled_and_nothing_stays_reserved() -> None:
    system = await running(thinker(Budget(day=Limits(tokens=10_000, model_calls=5))))
    await system.handle("thinker", "1", data=3)
    found = await book(system)
    assert found.accounts[f"agent/{today()}"].spent == Amounts(tokens=30, model_calls=3, money=Decimal("1.5"))
    assert found.open == {}


async def test_an_agent_without_a_budget_keeps_no_book() -> None:
    system = await running(thinker(None))
    await system.handle("thinker", "1", data=3)
    assert await system.world.store.row(AgentId("thinker"), BUDGET, BOOK) is None


async def test_at_the_limit_the_event_waits_and_costs_nothing() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(Budget(day=Limits(model_calls=2)), model), Listener)
    await system.send("thinker", "1", data=3)
    await passed(10)
    row = await system.row("thinker", "1")
    assert row.status is Status.WAITING
    assert "the budget of agent thinker" in row.reason
    assert len(model.requests) == 2
    assert [each["type"] for each in Listener.heard].count("aos.budget.reached") == 1


async def test_a_day_later_it_goes_on_by_itself() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(Budget(day=Limits(model_calls=2)), model))
    await system.send("thinker", "1", data=5)
    await passed(2 * DAY_SECONDS + 60)
    row = await system.row("thinker", "1")
    assert result_of(row) == ["yes"] * 5
    assert len(model.requests) == 5
    assert DAY_SECONDS < row.finished_at - row.accepted_at <= 2 * DAY_SECONDS


async def test_a_raised_limit_lets_it_go_on_at_once() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(Budget(day=Limits(model_calls=2)), model), Listener)
    await system.send("thinker", "1", data=3)
    await passed(10)
    desk = BudgetDesk(system.parts, system.kernel, system.mailroom)
    waiting = await desk.raise_limit("agent", "thinker", "day", Amounts(model_calls=1), "default")
    assert waiting == 1
    row = await system.handle("thinker", "1", data=3)
    assert result_of(row) == ["yes"] * 3
    assert row.finished_at - row.accepted_at < 60
    assert len(model.requests) == 3


async def test_a_limit_of_one_event_concerns_no_other() -> None:
    system = await running(thinker(Budget(event=Limits(model_calls=2), at_limit="fail")))
    assert (await system.handle("thinker", "1", data=3)).status is Status.FAILED
    assert (await system.handle("thinker", "2", data=2)).status is Status.DONE


async def test_it_fails_where_that_is_the_policy() -> None:
    system = await running(thinker(Budget(total=Limits(model_calls=2), at_limit="fail")), Listener)
    row = await system.handle("thinker", "1", data=3)
    assert (row.status, row.reason) == (
        Status.FAILED,
        "the budget of agent thinker in all is reached: 2 model_calls; scripted/script needs 1 more",
    )
    await passed(1)
    assert [each["type"] for each in Listener.heard] == ["aos.budget.warning", "aos.budget.reached"]


async def test_the_warning_comes_once_at_its_share() -> None:
    system = await running(thinker(Budget(day=Limits(model_calls=10), warn_at=0.5)), Listener)
    await system.handle("thinker", "1", data=4)
    await passed(1)
    assert Listener.heard == []
    await system.handle("thinker", "2", data=4)
    await passed(1)
    assert [each["type"] for each in Listener.heard] == ["aos.budget.warning"]
    assert Listener.heard[0]["used"]["model_calls"] == 5


# --- money ----------------------------------------------------------------------------------------------------


async def test_money_without_a_price_is_refused_and_the_reason_says_what_to_do() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(Budget(day=Limits(money=Decimal(1))), model))
    row = await system.handle("thinker", "1", data=1)
    assert row.status is Status.QUARANTINED
    assert "no price is known for scripted/script" in row.reason
    assert "prices_file" in row.reason
    assert model.requests == []


async def test_money_is_counted_as_the_answer_says() -> None:
    budget = Budget(day=Limits(money=Decimal(1)), unknown_price=Decimal(1000), at_limit="fail")
    system = await running(thinker(budget))
    row = await system.handle("thinker", "1", data=3)  # each is reserved with less than 0.1, and costs 0.5
    assert row.status is Status.FAILED
    assert (await book(system)).accounts[f"agent/{today()}"].spent.money == Decimal("1.0")


async def test_an_answer_without_a_cost_is_charged_by_the_stated_price() -> None:
    budget = Budget(day=Limits(money=Decimal(1)), unknown_price=Decimal(1000))
    system = await running(thinker(budget, ScriptedModel(lambda request: answer(tokens=100, cost=None))))
    await system.handle("thinker", "1", data=1)
    assert (await book(system)).accounts[f"agent/{today()}"].spent.money == Decimal("0.1")


# --- failures -------------------------------------------------------------------------------------------------


async def test_a_call_that_was_refused_uses_no_tokens() -> None:
    model = ScriptedModel([RateLimited("too many", 5), answer()])
    system = await running(thinker(Budget(day=Limits(tokens=1000, model_calls=5)), model))
    await system.handle("thinker", "1", data=1)
    spent = (await book(system)).accounts[f"agent/{today()}"].spent
    assert (spent.tokens, spent.model_calls) == (10, 2)


async def test_an_outage_uses_nothing_up() -> None:
    down = ModelUnavailable("no connection", 60)
    down.usage = NOTHING_USED
    model = ScriptedModel([*[down] * 20, answer()])
    system = await running(thinker(Budget(day=Limits(tokens=1000, model_calls=1)), model))
    assert (await system.handle("thinker", "1", data=1)).status is Status.DONE
    spent = (await book(system)).accounts[f"agent/{today()}"].spent
    assert (spent.tokens, spent.model_calls) == (10, 1)


async def test_an_answer_that_was_cut_off_is_charged_in_full() -> None:
    model = ScriptedModel([ModelUnavailable("cut off", 60), answer()])
    system = await running(thinker(Budget(day=Limits(tokens=1000, model_calls=5)), model))
    await system.handle("thinker", "1", data=1)
    assert (await book(system)).accounts[f"agent/{today()}"].spent.tokens > 20


class Hanging(ScriptedModel):
    def __init__(self) -> None:
        super().__init__([])
        self.calls = 0

    async def complete(self, request: ModelRequest) -> ModelResponse:
        self.calls += 1
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_turn_that_is_taken_over_is_charged_in_full() -> None:
    first = await running(thinker(Budget(day=Limits(tokens=100_000)), Hanging()))
    await first.send("thinker", "1", data=1)
    await passed(1)
    held = next(iter((await book(first)).open.values())).amounts
    await first.crash()
    second = await running(thinker(Budget(day=Limits(tokens=100_000))), world=first.world)
    await second.handle("thinker", "1", data=1)
    spent = (await book(second)).accounts[f"agent/{today()}"].spent
    assert spent.tokens == held.tokens + 10
    assert (await book(second)).open == {}


async def test_a_crash_loop_cannot_spend_more_than_the_limit() -> None:
    model = Hanging()
    budget = Budget(day=Limits(model_calls=3))
    system = await running(thinker(budget, model), rules=Rules(crash_limit=100))
    await system.send("thinker", "1", data=1)
    for _ in range(8):
        await passed(40)
        await system.crash()
        system = await running(thinker(budget, model), world=system.world, rules=Rules(crash_limit=100))
    await passed(40)
    assert model.calls == 3
    assert (await system.row("thinker", "1")).status is Status.WAITING


async def test_a_late_answer_corrects_the_charge() -> None:
    gate = asyncio.Event()

    class Slow(ScriptedModel):
        async def complete(self, request: ModelRequest) -> ModelResponse:
            await gate.wait()
            return answer(tokens=7)

    budget = Budget(day=Limits(tokens=100_000))
    first = await running(thinker(budget, Slow([])))
    await first.send("thinker", "1", data=1)
    await passed(1)
    await (await first.kernel.awaken_fresh(AgentId("thinker"))).remember("other", 1)  # another writer has the fence
    gate.set()
    await passed(1)
    await first.handle("thinker", "1", data=1)
    await first.handle("thinker", "2", data=1)
    assert (await book(first)).accounts[f"agent/{today()}"].spent.tokens == 3 * 7


# --- tools and time -------------------------------------------------------------------------------------------


@tool(effect="pure")
async def look(n: int) -> str:
    await asyncio.sleep(2)
    return str(n)


class Looker(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        for n in range(event.data):
            await context.call(look, n=n)
        return "seen"


@pytest.mark.parametrize("limits", [Limits(tool_calls=3), Limits(seconds=6)])
async def test_tools_and_time_have_limits(limits: Limits) -> None:
    kind = type("Looker", (Looker,), {"budget": Budget(event=limits, at_limit="fail")})
    system = await running(kind)
    row = await system.handle("looker", "1", data=4)
    assert row.status is Status.FAILED
    assert "is reached" in row.reason
    assert (await system.handle("looker", "2", data=3)).status is Status.DONE


async def test_a_limit_on_tokens_does_not_concern_tools() -> None:
    kind = type("Looker", (Looker,), {"budget": Budget(event=Limits(tokens=0))})
    system = await running(kind)
    assert (await system.handle("looker", "1", data=2)).status is Status.DONE


# --- shared limits --------------------------------------------------------------------------------------------


def shared(**limits: Any) -> Budgets:
    return Budgets(BudgetFile(types={"thinker": Budget(day=Limits(**limits))}))


async def test_a_type_shares_its_limit() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(None, model), Listener, budgets=shared(model_calls=10))
    await asyncio.gather(*(system.send(f"thinker/{n}", "1", data=1) for n in range(100)))
    await passed(100)
    statuses = [(await system.row(f"thinker/{n}", "1")).status for n in range(100)]
    assert (statuses.count(Status.DONE), statuses.count(Status.WAITING), len(model.requests)) == (10, 90, 10)
    assert [each["type"] for each in Listener.heard] == ["aos.budget.warning", "aos.budget.reached"]


async def test_a_shared_limit_that_is_raised_wakes_all_who_wait() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(None, model), budgets=shared(model_calls=1))
    for n in range(3):
        await system.send(f"thinker/{n}", "1", data=1)
    await passed(10)
    assert len(model.requests) == 1
    desk = BudgetDesk(system.parts, system.kernel, system.mailroom)
    assert await desk.raise_limit("type", "thinker", "day", Amounts(model_calls=1), "default") == 2
    await passed(10)
    assert len(model.requests) == 2


async def test_several_limits_apply_at_once() -> None:
    file = BudgetFile(
        agents={"thinker/a": Budget(event=Limits(model_calls=4), at_limit="fail")},
        types={"thinker": Budget(day=Limits(model_calls=5), at_limit="fail")},
        tenants={"default": Budget(day=Limits(tokens=100_000))},
    )
    system = await running(thinker(Budget(event=Limits(model_calls=9))), budgets=Budgets(file))
    assert "address thinker/a" in (await system.handle("thinker/a", "1", data=5)).reason
    assert "type thinker" in (await system.handle("thinker/b", "1", data=2)).reason


# --- what stays, and what goes ---------------------------------------------------------------------------------


async def test_the_accounts_of_events_go_with_them() -> None:
    system = await running(thinker(Budget(event=Limits(model_calls=9), total=Limits(model_calls=9))))
    await system.handle("thinker", "1", data=2)
    names = {row.name for row in (await system.world.store.rows(AgentId("thinker"), BUDGET)).items}
    assert len(names) == 2
    await expire(system.parts, CLOCK.now() + 1)
    await expire(system.parts, CLOCK.now() + 1)
    assert {row.name for row in (await system.world.store.rows(AgentId("thinker"), BUDGET)).items} == {BOOK}


# --- what it cost ----------------------------------------------------------------------------------------------


async def test_what_was_used_is_reported_without_reading_a_step() -> None:
    system = await running(thinker(None), Looker)
    await system.handle("thinker/a", "1", data=3)
    await system.handle("thinker/b", "1", data=1)
    await system.handle("looker", "1", data=2)
    store = system.world.store

    async def report(by: str, agent: str = "") -> dict[str, tuple[int, int, Any]]:
        lines = await costs(store, "default", by, today(), today(), agent)
        return {line.name: (line.models.calls, line.tool_calls, line.models.money.get("USD")) for line in lines}

    assert await report("agent") == {
        "thinker/a": (3, 0, Decimal("1.5")),
        "thinker/b": (1, 0, Decimal("0.5")),
        "looker": (0, 2, None),
    }
    assert await report("type", "thinker") == {"thinker": (4, 0, Decimal("2.0"))}
    assert await report("model") == {"scripted/m": (4, 0, Decimal("2.0"))}
    assert await report("day") == {today(): (4, 2, Decimal("2.0"))}
    assert await report("tenant") == {"default": (4, 2, Decimal("2.0"))}


async def test_a_retry_is_not_counted_twice_and_what_is_not_known_is_said() -> None:
    class Fails(Thinker):
        name = "thinker"
        model = ScriptedModel(lambda request: answer(cost=None))

        async def on_event(self, event: Event, context: Context) -> Any:
            await context.think("?", model=self.model)
            if context.attempt < 3:
                raise Retryable("again")

    system = await running(Fails)
    await system.handle("thinker", "1", data=1)
    (line,) = await costs(system.world.store, "default", "agent", today(), today())
    assert (line.models.calls, line.models.unknown, line.models.money) == (1, 1, {})


async def test_a_report_needs_days() -> None:
    system = await running(thinker(None))
    with pytest.raises(InvalidInput, match="is no day"):
        await costs(system.world.store, "default", "agent", "yesterday", today())
    with pytest.raises(InvalidInput, match="use agent"):
        await costs(system.world.store, "default", "colour", today(), today())


# --- loops ----------------------------------------------------------------------------------------------------


async def test_the_very_same_question_has_an_end() -> None:
    class Stubborn(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            while True:
                await context.think("again?", model=model)

    model = ScriptedModel(lambda request: answer())
    system = await running(Stubborn, rules=Rules(step_repeats_max=7))
    row = await system.handle("stubborn", "1")
    assert (row.status, len(model.requests)) == (Status.QUARANTINED, 7)
    assert "no progress" in row.reason


async def test_steps_of_one_event_have_an_end() -> None:
    model = ScriptedModel(lambda request: answer())
    system = await running(thinker(None, model), rules=Rules(event_steps_max=9))
    row = await system.handle("thinker", "1", data=20)
    assert (row.status, len(model.requests)) == (Status.QUARANTINED, 9)
    assert "no end in sight" in row.reason


async def test_an_event_that_is_too_slow_before_its_first_step_still_moves() -> None:
    class Late(BaseAgent):
        async def on_event(self, event: Event, context: Context) -> Any:
            await asyncio.sleep(20)
            return await context.step("one", str, 1)

    system = await running(Late, rules=Rules(turn_deadline_seconds=10))
    assert result_of(await system.handle("late", "1")) == "1"


# --- another model --------------------------------------------------------------------------------------------


async def test_another_model_is_asked_where_that_is_the_policy() -> None:
    model = ScriptedModel(lambda request: answer("dear"))
    budget = Budget(
        day=Limits(money=Decimal(1)),
        at_limit="fallback",
        fallback_model="offline",
        unknown_price=Decimal(1000),
        then="fail",
    )
    system = await running(thinker(budget, model), Listener)
    row = await system.handle("thinker", "1", data=3)
    first, second, third = result_of(row)
    assert (first, second, third != "dear") == ("dear", "dear", True)
    assert len(model.requests) == 2
    await passed(1)
    assert [each["type"] for each in Listener.heard][-1] == "aos.budget.reached"


async def test_a_stream_has_to_fit_too() -> None:
    class Streamer(BaseAgent):
        budget = Budget(event=Limits(model_calls=1), at_limit="fallback", fallback_model="offline")

        async def on_event(self, event: Event, context: Context) -> Any:
            said = []
            for n in range(2):
                async for delta in model_of(model).stream(ModelRequest.ask(f"{n}")):
                    said += [delta.response.provider] if delta.response is not None else []
            return said

    model = ScriptedModel(lambda request: answer())
    system = await running(Streamer)
    await system.send("streamer", "1")
    await passed(10)
    assert (await system.row("streamer", "1")).status is Status.WAITING  # the other model is a call too
    assert len(model.requests) == 1
