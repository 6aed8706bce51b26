"""What late calls came to: told for one call, not for the next one of the same step."""

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.orchestration.budgets import late
from AgentOperatingSystem.orchestration.budgets.book import Hold
from tests.systems import System

AGENT, STEP = AgentId("thinker"), "event/model-1"


async def test_what_a_call_came_to_says_nothing_of_the_next_one_of_its_step() -> None:
    parts = System().parts
    first = Hold(amounts=Amounts(tokens=100), accounts=("agent/total",), at=1000.125)
    again = Hold(amounts=Amounts(tokens=100), accounts=("agent/total",), at=1000.25)
    await late.tell(parts, AGENT, {late.name_of(STEP, first): Amounts(tokens=7)})
    assert await late.told(parts, AGENT, {STEP: first}) == {STEP: Amounts(tokens=7)}
    assert await late.told(parts, AGENT, {STEP: again}) == {}
