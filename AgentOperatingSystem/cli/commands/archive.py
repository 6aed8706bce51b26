"""`aos export` and `aos import`: one agent as a document, out and in again."""

from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import CARE, app
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, as_json
from AgentOperatingSystem.cli.system import System, agent_place, place
from AgentOperatingSystem.cli.values import read_file, write_file
from AgentOperatingSystem.ids import AgentId

LARGE_SECONDS = 600.0
"""How long a whole agent may take to travel."""


@command(app, "export", CARE)
def export(
    agent: Agent,
    system: System,
    out: Output,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="Where to; a new file [standard output].")] = None,
) -> None:
    """Write an agent's state, history, memory and schedules as one JSON document."""
    document = system.get(agent_place(agent, "/export"), timeout_seconds=LARGE_SECONDS)
    text = as_json(document)
    if file is None:
        out.show(document, text)
        return
    content = (text + "\n").encode()
    write_file(file, content)
    done = {"agent": str(AgentId.parse(agent)), "file": file, "bytes": len(content)}
    out.show(done, f"{done['agent']}: {len(content)} bytes in {file}")


@command(app, "import", CARE)
def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A document that `aos export` wrote; - for standard input.")
    ],
    system: System,
    out: Output,
    as_: Annotated[
        str | None, typer.Option("--as", metavar="AGENT", help="Another address than the document's, `name/key`.")
    ] = None,
) -> None:
    """Make the agent of a document exist here; one that exists already is not touched."""
    address = str(AgentId.parse(as_)) if as_ else None
    content = read_file(file)
    there = place("/import", agent=address)
    made = system.post(there, content, timeout_seconds=LARGE_SECONDS, may_create=True).document
    out.show(made, f"{made['agent']} is here")
