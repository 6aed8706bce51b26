"""`aos send` and `aos tail`: events in, outcomes and publications out."""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.answers import StreamEvent
from AgentOperatingSystem.cli.app import EVENTS, app
from AgentOperatingSystem.cli.arguments import Agent, Payload
from AgentOperatingSystem.cli.command import command, finish
from AgentOperatingSystem.cli.exits import FAILED, OK, NotReachable, Problem
from AgentOperatingSystem.cli.output import Output, as_json, brief, cell, moment, note
from AgentOperatingSystem.cli.system import Place, Server, agent_place, place
from AgentOperatingSystem.cli.values import json_value
from AgentOperatingSystem.errors import InvalidInput

GRACE_SECONDS = 10.0
"""How much longer than the server a waiting client waits."""
WAIT_SECONDS_MAX = 300.0
RECONNECT_SECONDS = 1.0
OPEN = ("accepted", "pending", "parked")
"""Where an event stands that has not ended."""


@command(app, "send", EVENTS)
def send(
    agent: Agent,
    system: Server,
    out: Output,
    data: Payload = None,
    type: Annotated[str | None, typer.Option("--type", help="What happened, dotted [aos.message].")] = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The idempotency key; sending it again changes nothing.")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Who says so.")] = "/cli",
    subject: Annotated[str | None, typer.Option("--subject", help="What the event is about.")] = None,
    priority: Annotated[int | None, typer.Option("--priority", help="0 to 9; higher overtakes what waits [0].")] = None,
    wait: Annotated[
        float | None, typer.Option("--wait", metavar="SECONDS", help="Wait for the result, up to 300.")
    ] = None,
) -> None:
    """Send an event to an agent.

    The event is durable when this returns. With --wait, the agent's result is printed, and the exit code is 1 where
    the event did not end well within that time.
    """
    check_wait(wait)
    said = {"type": type, "id": id, "source": source, "subject": subject, "priority": priority}
    event = {"data": json_value(data)} | {name: value for name, value in said.items() if value is not None}
    patience = GRACE_SECONDS + (wait or 20.0)
    answer = system.post(agent_place(agent, "/events", wait=wait), event, timeout_seconds=patience)
    show_sent(answer.document, out, wait)


def check_wait(wait: float | None) -> None:
    """Raises `InvalidInput` for a time that no server waits."""
    if wait is not None and not 0 <= wait <= WAIT_SECONDS_MAX:
        raise InvalidInput(f"--wait {wait:g}: 0 to {WAIT_SECONDS_MAX:g} seconds")


def show_sent(document: dict[str, Any], out: Output, wait: float | None) -> None:
    """What became of an event that was sent; ends the command with 1 where it was waited for and did not end well."""
    status, agent, event = document["status"], document["agent"], document["id"]
    if status == "done":
        out.show(document, as_json(document["result"]))
    elif status in OPEN:
        out.show(document, f"{status}: event {event} for {agent}")
    else:
        out.show(document, f"{status}: {document['reason']}")
    if wait is None:
        return
    if status in OPEN:
        note(f"not ended within {wait:g} s; it goes on: `aos show {agent} {event} --source {document['source']}`")
    finish(OK if status == "done" else FAILED)


@command(app, "tail", EVENTS)
def tail(
    system: Server,
    out: Output,
    agent: Annotated[
        str | None, typer.Argument(metavar="AGENT", help="Whose outcomes; without it: what all agents publish.")
    ] = None,
    topic: Annotated[
        str | None, typer.Option("--topic", metavar="PATTERN", help="Only publications to these topics.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="Begin behind this one; 0: with the oldest.")
    ] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="End after so many.")] = None,
) -> None:
    """Watch outcomes of an agent, or publications, as they come.

    Ctrl-C ends it, with exit code 0. Where the connection breaks, it is made again, and nothing is left out. With
    --json, one document to a line.
    """
    if agent is not None and topic is not None:
        raise InvalidInput("--topic: publications have topics, an agent's outcomes have none")
    where = agent_place(agent, "/outcomes") if agent else place("/publications", topic=topic)
    show = _show_outcome if agent else _show_publication
    try:
        for event in islice(_endless(system, where, after), count):
            out.line({"cursor": event.id, **event.data}, show(event))
    except KeyboardInterrupt:
        return


def _endless(system: Server, where: Place, after: str | None) -> Iterator[StreamEvent]:
    """The stream, connected again behind the last event that was seen; only the first connection may fail."""
    last, said, was_open = after, "", False
    while True:
        try:
            for event in system.stream(Place(where.path, {**where.query, "after": last})):
                last, said, was_open = event.id or last, "", True
                if event.data is not None:
                    yield event
            why = "the system ended the stream; connecting again"
        except (NotReachable, Problem) as error:
            if not was_open or not _passes(error):
                raise
            why = f"{error}; trying again"
        if why != said:
            note(why)
        said = why
        time.sleep(RECONNECT_SECONDS)


def _passes(error: NotReachable | Problem) -> bool:
    """Whether it may be otherwise in a moment: a system that drains comes back."""
    return isinstance(error, NotReachable) or error.status in (429, 503)


def _show_outcome(event: StreamEvent) -> str:
    outcome = event.data
    what = outcome["result"] if outcome["status"] == "done" else outcome["reason"]
    kind = (outcome["event"] or {}).get("type")
    return (
        f"{moment(outcome['finished_at'])}  {outcome['status']:<11}  {cell(kind)}  {cell(outcome['id'])}  {brief(what)}"
    )


def _show_publication(event: StreamEvent) -> str:
    sent = event.data
    return f"{moment(sent['time'])}  {cell(sent['topic'])}  {cell(sent['source'])}  {brief(sent['data'])}"
