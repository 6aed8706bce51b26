"""`aos schedule ls|add|cancel`: events that come at their time, while nothing has to run for it."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import schedule
from AgentOperatingSystem.cli.arguments import After, Agent, Limit, Payload, more
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, brief, moment
from AgentOperatingSystem.cli.system import System, agent_place, place
from AgentOperatingSystem.cli.values import json_value
from AgentOperatingSystem.errors import InvalidInput

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name; one agent has it once.")]


@command(schedule, "ls")
def ls(
    system: System,
    out: Output,
    agent: Annotated[str | None, typer.Argument(metavar="AGENT", help="Only those of this agent.")] = None,
    limit: Limit = 100,
    after: After = None,
) -> None:
    """List schedules, and when they are due."""
    page = system.get(place("/schedules", agent=agent, limit=limit, after=after))
    rows = (
        (
            each["agent"],
            each["name"],
            moment(each["due"]),
            each["cron"],
            each["timezone"],
            each["type"],
            brief(each["data"]),
        )
        for each in page["items"]
    )
    headings = ("AGENT", "NAME", "DUE", "CRON", "ZONE", "TYPE", "DATA")
    out.show(page, Table(headings, rows, "nothing is scheduled"), *more(page))


@command(schedule, "add")
def add(
    agent: Agent,
    name: Name,
    system: System,
    out: Output,
    data: Payload = None,
    cron: Annotated[str | None, typer.Option("--cron", help="Again and again: '0 3 * * *'.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="Once: 2026-01-31T12:00:00Z.")] = None,
    in_seconds: Annotated[float | None, typer.Option("--in", metavar="SECONDS", help="Once, so much later.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="In which zone cron counts [UTC].")] = None,
    missed: Annotated[
        str | None, typer.Option("--missed", help="Runs that nobody was there for: skip, once, all [once].")
    ] = None,
    type: Annotated[str | None, typer.Option("--type", help="The event's type [aos.schedule].")] = None,
) -> None:
    """Send an agent an event at a time, or at every time that --cron names.

    Adding it again changes nothing; adding another one of that name replaces it.
    """
    given = {"cron": cron, "at": at, "after_seconds": in_seconds}
    if sum(value is not None for value in given.values()) != 1:
        raise InvalidInput("give one of --cron, --at and --in")
    said = {**given, "timezone": timezone, "missed": missed, "type": type, "data": json_value(data)}
    body = {"name": name} | {key: value for key, value in said.items() if value is not None}
    made = system.post(agent_place(agent, "/schedules"), body).document
    out.show(made, _line(made))


@command(schedule, "cancel")
def cancel(agent: Agent, name: Name, system: System, out: Output) -> None:
    """Cancel a schedule."""
    gone = system.delete(agent_place(agent, f"/schedules/{quote(name, safe='')}"))
    out.show(gone, f"{gone['agent']}: {gone['name']} is cancelled")


def _line(made: dict[str, Any]) -> str:
    again = f", and whenever {made['cron']!r} says ({made['timezone']})" if made["cron"] else ""
    return f"{made['agent']}: {made['name']} is due {moment(made['due'])}{again}"
