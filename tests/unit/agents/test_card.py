"""An agent's card: everything in it is read from the code."""

from typing import Any, ClassVar, Literal

import msgspec

from AgentOperatingSystem import BaseAgent, on_failure
from AgentOperatingSystem.agents import AgentTeam, CouncilAgent, PerpetualAgent, PurposeDrivenAgent
from AgentOperatingSystem.agents.card import AgentCard, card_of, markdown
from AgentOperatingSystem.agents.roles import Role
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.tools.function_tool import FunctionTool, tool


@tool(effect="pure")
def price_of(article: str) -> int:
    """What an article costs, in cents."""
    return 1


def refund(order: str) -> str:
    """Gives the money back."""
    return "done"


class Cashier(PurposeDrivenAgent):
    """Pays back what should be paid back.

    Not more.
    """

    capabilities = ("refunds",)
    subscriptions = ("order.* -> {subject}",)
    groups = ("shop",)
    ordering = "strict"
    restart = on_failure(3)
    turn_timeout_seconds = 5.0
    misaligned: ClassVar[Literal["block", "flag"]] = "flag"


def cashier() -> Cashier:
    return Cashier(
        "cashier/7",
        "Keep customers and the shop whole",
        tools=[price_of, refund],
        system_message="The secret word is rhubarb.",
        description="Refunds.",
        role=Role(name="clerk", tools=("price_of", "refund"), addresses=("till",)),
        model=ScriptedModel([]),
    )


def card(agent: BaseAgent, **more: Any) -> AgentCard:
    return card_of(agent, turn_timeout_seconds=300.0, attempts_max=8, **more)


def test_it_says_what_the_code_says() -> None:
    found = card(cashier(), url="/there")
    assert (found.name, found.agent, found.version, found.url) == ("cashier_x2f_7", "cashier/7", "1.0.0", "/there")
    assert (found.purpose, found.description) == ("Keep customers and the shop whole", "Refunds.")
    assert (found.capabilities, found.subscriptions, found.groups) == (
        ("refunds",),
        ("order.* -> {subject}",),
        ("shop",),
    )
    assert found.kind == "tests.unit.agents.test_card.Cashier"
    assert [(each.name, each.effect, each.description) for each in found.tools] == [
        ("price_of", "pure", "What an article costs, in cents."),
        ("refund", "at_most_once", "Gives the money back."),
    ]
    assert found.tools[0].parameters["required"] == ["article"]
    policies = found.policies
    assert (policies.ordering, policies.restart, policies.attempts_max) == ("strict", "on_failure", 3)
    assert (policies.turn_timeout_seconds, policies.misaligned) == (5.0, "flag")
    assert policies.role is not None
    assert policies.role.addresses == ("till",)


def test_skills_are_what_can_be_asked_of_it() -> None:
    assert [(each.id, each.tags) for each in card(cashier()).skills] == [
        ("refunds", ("capability",)),
        ("tool.price_of", ("tool", "pure")),
        ("tool.refund", ("tool", "at_most_once")),
    ]


def test_what_is_not_declared_is_the_systems() -> None:
    class Plain(BaseAgent):
        """Does little."""

    found = card(Plain())
    assert (found.purpose, found.tools, found.members, found.policies.role) == ("", (), (), None)
    assert (found.policies.attempts_max, found.policies.turn_timeout_seconds) == (8, 300.0)
    assert (found.description, found.state_type, found.state_schema) == ("Does little.", "dict", 1)


def test_a_team_and_a_council_name_their_members() -> None:
    reader = PerpetualAgent([price_of], name="reader", description="Reads.", role="clerk")
    team = AgentTeam([reader, PerpetualAgent(name="writer")], turns_max=2, agent_id="desk")
    assert [(each.name, each.role, each.tools) for each in card(team).members] == [
        ("reader", "clerk", ("price_of",)),
        ("writer", "", ()),
    ]

    class Board(CouncilAgent):
        members = ("cfo", "cto")
        arbiter = "ceo"

    assert [each.name for each in card(Board()).members] == ["cfo", "cto", "ceo"]


def test_it_is_plain_json_and_tells_no_prompt() -> None:
    content = msgspec.json.encode(card(cashier()))
    assert msgspec.json.decode(content, type=AgentCard) == card(cashier())
    assert b"rhubarb" not in content


def test_the_page() -> None:
    schedules = [{"name": "nightly", "cron": "0 2 * * *", "due": None, "type": "count"}]
    assert markdown(card(cashier(), schedules=schedules)).splitlines() == [
        "# cashier_x2f_7 1.0.0",
        "",
        "Refunds.",
        "",
        "* **Purpose:** Keep customers and the shop whole",
        "* **Address:** `cashier/7`",
        "* **Class:** `tests.unit.agents.test_card.Cashier`",
        "* **Capabilities:** refunds",
        "* **Subscribes to:** `order.* -> {subject}`",
        "* **Groups:** shop",
        "* **Role:** clerk; speaks; may use `price_of`, `refund`; may address `till`",
        "* **Order of events:** strict",
        "* **When a handler crashes:** on_failure, at most 3 attempts",
        "* **Time for one event:** 5 s",
        "* **Actions against the purpose:** flagged",
        "* **State:** `dict`, schema 1",
        "",
        "## Tools",
        "",
        "| tool | effect | what it does |",
        "|---|---|---|",
        "| price_of | pure | What an article costs, in cents. |",
        "| refund | at_most_once | Gives the money back. |",
        "",
        "## Schedules",
        "",
        "| schedule | when | event |",
        "|---|---|---|",
        "| nightly | 0 2 * * * | count |",
    ]


def test_a_page_keeps_its_tables_whole() -> None:
    class Odd(BaseAgent):
        """Odd."""

        tools: ClassVar[list[Any]] = [FunctionTool(refund, name="odd", description="a | b\n# c")]

    assert "| odd | at_most_once | a \\| b # c |" in markdown(card(Odd())).splitlines()
