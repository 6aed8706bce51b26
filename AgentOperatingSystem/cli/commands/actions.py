"""`aos actions` and `aos act`: what an agent can be told to do by name, and having it done."""

from typing import Annotated
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import EVENTS, app
from AgentOperatingSystem.cli.arguments import Agent, Payload
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.commands.events import GRACE_SECONDS, check_wait, show_sent
from AgentOperatingSystem.cli.output import Output, Table, brief
from AgentOperatingSystem.cli.system import Server, System, agent_place
from AgentOperatingSystem.cli.values import json_value
from AgentOperatingSystem.errors import InvalidInput


@command(app, "actions", EVENTS)
def actions(agent: Agent, system: System, out: Output) -> None:
    """List the actions of an agent, with the schema of their input."""
    found = system.get(agent_place(agent, "/actions"))
    rows = ([each["name"], each["description"], brief(each["parameters"])] for each in found["items"])
    out.show(found, Table(("ACTION", "DOES", "INPUT"), rows, "no actions"))


@command(app, "act", EVENTS)
def act(
    agent: Agent,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="The action's name; `aos actions` lists them.")],
    system: Server,
    out: Output,
    data: Payload = None,
    id: Annotated[
        str | None, typer.Option("--id", help="The idempotency key; sending it again changes nothing.")
    ] = None,
    source: Annotated[str, typer.Option("--source", help="Who says so.")] = "/cli",
    wait: Annotated[
        float | None, typer.Option("--wait", metavar="SECONDS", help="Wait for the result, up to 300.")
    ] = None,
) -> None:
    """Have an agent do one of its actions.

    The input, a JSON object, is checked before anything is sent: exit code 2 where it does not fit. Else as `aos send`:
    durable when this returns, and with --wait the result is printed.
    """
    check_wait(wait)
    given = json_value(data)
    if given is not None and not isinstance(given, dict):
        raise InvalidInput("the input of an action is a JSON object, with its parameters by name")
    where = agent_place(agent, f"/actions/{quote(action, safe='')}", id=id, source=source, wait=wait)
    patience = GRACE_SECONDS + (wait or 20.0)
    show_sent(system.post(where, given or {}, timeout_seconds=patience).document, out, wait)
