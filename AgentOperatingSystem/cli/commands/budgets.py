"""`aos cost` and `aos budget show|raise`: what was used, how far limits are used, and more of them."""

from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import CARE, app, budget
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table
from AgentOperatingSystem.cli.system import System, agent_place, place
from AgentOperatingSystem.errors import InvalidInput


@command(app, "cost", CARE)
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
