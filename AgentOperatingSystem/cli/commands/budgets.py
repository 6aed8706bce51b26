"""`aos cost`, `aos cost estimate`, `aos budget show|raise`: what was used, how far limits are, and more of them."""

from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import budget
from AgentOperatingSystem.cli.app import cost as cost_group
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command, group_command
from AgentOperatingSystem.cli.output import Output, Table
from AgentOperatingSystem.cli.system import System, agent_place, place
from AgentOperatingSystem.errors import InvalidInput


@group_command(cost_group)
def cost(
    system: System,
    out: Output,
    by: Annotated[str, typer.Option("--by", help="agent, type, model, tenant or day.")] = "agent",
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help="From this day [30 days ago].")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="To this day [today].")] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="AGENT", help="Only addresses that begin so.")] = None,
) -> None:
    """Show what models and tools were used and what they cost, the dearest first.

    Days are in UTC. A call whose cost nobody knows counts as unknown, never as nothing.
    """
    found = system.get(place("/cost", by=by, since=since, until=until, agent=agent))
    rows = (
        (
            each["name"],
            each["model_calls"],
            each["input_tokens"],
            each["output_tokens"],
            each["tool_calls"],
            _money(each),
        )
        for each in found["items"]
    )
    headings = (by.upper(), "CALLS", "TOKENS IN", "TOKENS OUT", "TOOLS", "COST")
    out.show(found, Table(headings, rows, f"nothing was used from {found['since']} to {found['until']}"))


@command(cost_group, "estimate")
def estimate(
    out: Output,
    events: Annotated[int, typer.Option("--events", min=0, metavar="N", help="How many in a month.")],
    agents: Annotated[int, typer.Option("--agents", min=0, metavar="N", help="How many there are.")],
    steps: Annotated[
        float, typer.Option("--steps", min=0, metavar="K", help="Calls of models and tools in each event.")
    ] = 0.0,
    step_seconds: Annotated[
        float, typer.Option("--step-seconds", min=0, metavar="S", help="How long each of them takes.")
    ] = 1.0,
    together: Annotated[
        int, typer.Option("--together", min=1, metavar="N", help="Events that share an instance, where many come.")
    ] = 16,
) -> None:
    """Say what a month on Azure costs by list prices: Functions Flex, Service Bus and tables.

    Counted operations times dated prices of one region; nothing is asked of any system. Models are not counted.
    """
    from AgentOperatingSystem.proof.cost import Load, document

    load = Load(events=events, agents=agents, steps=steps, step_seconds=step_seconds, together=together)
    found = document(load)
    out.show(found, Table(("A MONTH OF", "", "ALONE", "TOGETHER"), _estimated(found)), *_beside(found))


@command(budget, "show")
def show(agent: Agent, system: System, out: Output) -> None:
    """Show the limits that apply to an agent, and how far they are used."""
    found = system.get(agent_place(agent, "/budgets"))
    rows = (
        (each["scope"], each["of"], each["period"], _amounts(each["limits"]), _used(each), each["at_limit"])
        for each in found["items"]
    )
    headings = ("SCOPE", "OF", "PERIOD", "LIMIT", "USED", "AT THE LIMIT")
    out.show(found, Table(headings, rows, f"nothing limits {agent}"))


@command(budget, "raise")
def raise_(
    system: System,
    out: Output,
    scope: Annotated[str, typer.Argument(metavar="SCOPE", help="agent, type or tenant.")],
    of: Annotated[str, typer.Argument(metavar="OF", help="Which: `name` or `name/key`.")],
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="event, day (today, in UTC) or total.")],
    tokens: Annotated[int | None, typer.Option("--tokens", metavar="N", help="So many tokens more.")] = None,
    money: Annotated[str | None, typer.Option("--money", metavar="AMOUNT", help="So much more.")] = None,
    model_calls: Annotated[int | None, typer.Option("--model-calls", metavar="N", help="So many more.")] = None,
    tool_calls: Annotated[int | None, typer.Option("--tool-calls", metavar="N", help="So many more.")] = None,
    seconds: Annotated[float | None, typer.Option("--seconds", metavar="N", help="So much more time.")] = None,
    event: Annotated[str | None, typer.Option("--event", metavar="ID", help="Whose limit, for `event`.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="The source of that event.")] = None,
) -> None:
    """Add to a limit; the events that waited for it go on."""
    given = {
        "tokens": tokens,
        "money": money,
        "model_calls": model_calls,
        "tool_calls": tool_calls,
        "seconds": seconds,
    }
    more = {measure: amount for measure, amount in given.items() if amount is not None}
    if not more:
        raise InvalidInput("say how much more: --tokens, --money, --model-calls, --tool-calls or --seconds")
    named = {"event": event, "source": source}
    body = {"scope": scope, "of": of, "period": period, "by": more} | {k: v for k, v in named.items() if v is not None}
    done = system.post(place("/budgets/raise"), body).document
    out.show(done, f"raised; {done['went_on']} waiting events go on")


def _estimated(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """What is billed, where each event wakes an instance for itself, and where many are awake together."""
    alone, together = (found["estimates"][name] for name in ("alone", "together"))
    rows: list[tuple[str, ...]] = [
        (
            one["what"],
            f"{one['count']:,.{0 if one['count'] >= 100 else 2}f} {one['unit']}",
            _dollars(one["cost"]),
            _dollars(two["cost"]),
        )
        for one, two in zip(alone["lines"], together["lines"], strict=True)
    ]
    sums = (("in all", "total"), ("per million events, without free grants and base charge", "per_million_events"))
    return rows + [(name, "", _dollars(alone[key]), _dollars(together[key])) for name, key in sums]


def _beside(found: dict[str, Any]) -> list[str]:
    prices = found["prices"]
    others = [f"  {each['what']}: {_dollars(each['low'])} to {_dollars(each['high'])}" for each in found["beside"]]
    return [
        "",
        "beside it, a month:",
        *others,
        f"not counted: {'; '.join(found['not_counted'])}",
        f"list prices in {prices['currency']} of {prices['as_of']}, {prices['region']}; free grants are taken off",
    ]


def _dollars(amount: float | None) -> str:
    return "unknown" if amount is None else f"{amount:,.2f}"


def _money(line: dict[str, Any]) -> str:
    """Amounts by currency; what is not known is said."""
    known = [f"{float(amount):.4f} {currency}" for currency, amount in sorted(line["money"].items())]
    unknown = [f"{line['unknown']} unknown"] if line["unknown"] else []
    return " + ".join(known + unknown) or "0"


def _amounts(amounts: dict[str, Any] | None) -> str:
    return ", ".join(f"{amount} {measure}" for measure, amount in (amounts or {}).items())


def _used(limit: dict[str, Any]) -> str:
    """Only what is limited."""
    used, shared = limit["used"] or {}, limit["granted"]
    parts = {measure: used.get(measure, 0) for measure in limit["limits"]} if limit["used"] is not None else {}
    given = (
        f"; all agents have {_amounts({m: shared.get(m, 0) for m in limit['limits']})}" if shared is not None else ""
    )
    return _amounts(parts) + given
