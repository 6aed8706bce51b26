"""`aos ps`, `show`, `state`, `history`, `mailbox`, `memory`: looking, without touching."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import AGENTS, app
from AgentOperatingSystem.cli.arguments import After, Agent, Limit, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, as_json, brief, moment, pairs
from AgentOperatingSystem.cli.system import System, agent_place, place


@command(app, "ps", AGENTS)
def ps(
    system: System,
    out: Output,
    prefix: Annotated[str | None, typer.Argument(metavar="PREFIX", help="Only agents whose address begins so.")] = None,
    all: Annotated[bool, typer.Option("--all", help="The system's own agents too.")] = False,
    limit: Limit = 100,
    after: After = None,
) -> None:
    """List agents, and what they do."""
    page = system.get(place("/agents", prefix=prefix, system="true" if all else None, limit=limit, after=after))
    rows = (
        [agent["agent"], agent["state"], agent["handled"], agent["backlog"], moment(agent["last_seen"])]
        for agent in page["items"]
    )
    out.show(page, Table(("AGENT", "STATE", "HANDLED", "BACKLOG", "LAST SEEN"), rows, _nobody(page)), *more(page))


def _nobody(page: dict[str, Any]) -> str:
    if page["after"]:
        return ""
    types = ", ".join(kind["name"] for kind in page["types"])
    return f"no agent was woken yet; registered: {types}" if types else "no agent was woken yet"


@command(app, "show", AGENTS)
def show(
    agent: Agent,
    system: System,
    out: Output,
    event: Annotated[str | None, typer.Argument(metavar="EVENT", help="The id of one of its events.")] = None,
    source: Annotated[str, typer.Option("--source", help="Who sent the event.")] = "/cli",
) -> None:
    """Show an agent, or what became of one of its events."""
    if event is not None:
        found = outcome(system, agent, event, source)
        out.show(found, pairs(outcome_lines(found)))
        return
    found = system.get(agent_place(agent))
    out.show(found, pairs(_agent_lines(found)))


def outcome(system: System, agent: str, event: str, source: str) -> dict[str, Any]:
    """What became of an event."""
    found: dict[str, Any] = system.get(agent_place(agent, f"/events/{quote(event, safe='')}", source=source))
    return found


def outcome_lines(found: dict[str, Any]) -> dict[str, object]:
    """An outcome, for people."""
    event = found["event"] or {}
    shown = {name: found[name] for name in ("agent", "id", "source", "event_key", "status", "reason", "attempts")}
    times = {name.replace("_", " "): moment(found[name]) for name in ("accepted_at", "finished_at", "due")}
    return {**shown, **times, "type": event.get("type"), "data": event.get("data"), "result": found["result"]}


def _agent_lines(found: dict[str, Any]) -> dict[str, object]:
    kind = found["type"] or {}
    shown = {name: found[name] for name in ("agent", "state", "reason", "held", "version", "handled", "backlog")}
    times = {
        name.replace("_", " "): moment(found[name])
        for name in ("created_at", "last_seen", "next_tick", "backoff_until")
    }
    schedules = ", ".join(f"{each['name']} ({each['cron'] or moment(each['due'])})" for each in found["schedules"])
    does = {name: ", ".join(kind.get(name, ())) for name in ("capabilities", "actions")}
    return {
        **shown,
        **times,
        "schedules": schedules,
        "registered": "yes" if found["registered"] else "no",
        "does": kind.get("doc"),
        **does,
    }


@command(app, "state", AGENTS)
def state(agent: Agent, system: System, out: Output) -> None:
    """Print the state that an agent's last event left, as JSON."""
    found = system.get(agent_place(agent, "/state"))
    out.show(found, as_json(found, indent=2))


@command(app, "history", AGENTS)
def history(
    agent: Agent,
    system: System,
    out: Output,
    status: Annotated[str | None, typer.Option("--status", help="Only those that are done, failed, parked, …")] = None,
    limit: Limit = 100,
    after: After = None,
) -> None:
    """List an agent's events, in the order in which they last changed."""
    page = system.get(agent_place(agent, "/history", status=status, limit=limit, after=after))
    rows = (_outcome_row(found, found["finished_at"] or found["accepted_at"]) for found in page["items"])
    out.show(page, Table(_OUTCOME, rows, "no events"), *more(page))


@command(app, "mailbox", AGENTS)
def mailbox(agent: Agent, system: System, out: Output, limit: Limit = 100) -> None:
    """List the events that wait, the first in line first."""
    found = system.get(agent_place(agent, "/mailbox", limit=limit))
    rows = (_outcome_row(each, each["due"] or each["accepted_at"]) for each in found["items"])
    rest = ["and more; raise --limit"] if found["more"] else []
    out.show(found, Table(_OUTCOME, rows, "nothing waits"), *rest)


@command(app, "memory", AGENTS)
def memory(
    agent: Agent,
    system: System,
    out: Output,
    prefix: Annotated[str | None, typer.Argument(metavar="PREFIX", help="Only keys that begin so.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> None:
    """List what an agent remembers, by key."""
    page = system.get(agent_place(agent, "/memory", prefix=prefix, limit=limit, after=after))
    rows = ((each["key"], brief(each["value"])) for each in page["items"])
    out.show(page, Table(("KEY", "VALUE"), rows, "nothing is remembered"), *more(page))


_OUTCOME = ("TIME", "STATUS", "TYPE", "ID", "SOURCE", "TRY", "RESULT OR REASON")


def _outcome_row(found: dict[str, Any], time: str | None) -> list[object]:
    what = found["result"] if found["status"] == "done" else found["reason"]
    kind = (found["event"] or {}).get("type")
    return [moment(time), found["status"], kind, found["id"], found["source"], found["attempts"], brief(what)]
