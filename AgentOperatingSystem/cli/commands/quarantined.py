"""`aos quarantine ls|show|redrive|edit|drop`: events that are out of the way until a person decides."""

from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import quarantine
from AgentOperatingSystem.cli.arguments import After, Agent, Limit, Reason, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.commands.agents import outcome_lines
from AgentOperatingSystem.cli.output import Output, Table, brief, moment, note, pairs
from AgentOperatingSystem.cli.system import Place, System, agent_place, place
from AgentOperatingSystem.cli.values import checked_key, json_value

Key = Annotated[str, typer.Argument(metavar="EVENT_KEY", help="The event, as `aos quarantine ls` names it.")]


@command(quarantine, "ls")
def ls(system: System, out: Output, limit: Limit = 100, after: After = None) -> None:
    """List quarantined events, and why they are there; see also `aos effects ls`."""
    page = system.get(place("/quarantine", limit=limit, after=after))
    rows = (
        (each["agent"], each["event_key"], each["event"]["type"], moment(each["finished_at"]), brief(each["reason"]))
        for each in page["items"]
    )
    headings = ("AGENT", "EVENT_KEY", "TYPE", "SINCE", "REASON")
    out.show(page, Table(headings, rows, "nothing is quarantined"), *more(page))
    if system.get(place("/effects", limit=1))["items"]:
        note("calls of unknown outcome wait for a verdict too: `aos effects ls`")


@command(quarantine, "show")
def show(agent: Agent, event_key: Key, system: System, out: Output) -> None:
    """Show one quarantined event."""
    found = system.get(_place(agent, event_key))
    out.show(found, pairs(outcome_lines(found)))


@command(quarantine, "redrive")
def redrive(agent: Agent, event_key: Key, system: System, out: Output) -> None:
    """Put an event back into its mailbox, with all its attempts; an unrouted one is routed again."""
    _decide(agent, event_key, "redrive", None, system, out)


@command(quarantine, "edit")
def edit(
    agent: Agent,
    event_key: Key,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="The new payload: JSON, @FILE that holds it, or - for standard input.")
    ],
    system: System,
    out: Output,
) -> None:
    """Redrive an event with another payload."""
    _decide(agent, event_key, "edit", {"data": json_value(data)}, system, out)


@command(quarantine, "drop")
def drop(
    agent: Agent,
    event_key: Key,
    system: System,
    out: Output,
    reason: Reason = None,
) -> None:
    """End an event as cancelled; its row stays, so that it cannot come again."""
    _decide(agent, event_key, "drop", {"reason": reason} if reason else None, system, out)


def _decide(agent: str, event_key: str, verdict: str, body: Any, system: System, out: Output) -> None:
    done = system.post(_place(agent, event_key, f"/{verdict}"), body).document
    out.show(done, f"{done['agent']}: event {done['id']} is {done['status']} ({done['reason']})")


def _place(agent: str, event_key: str, rest: str = "") -> Place:
    return agent_place(agent, f"/{checked_key(event_key, 'aos quarantine ls')}{rest}", under="quarantine")
