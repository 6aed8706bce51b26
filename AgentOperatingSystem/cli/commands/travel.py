"""`aos diff` and `aos fork`: an agent's past."""

from typing import Annotated, Any

import typer

from AgentOperatingSystem.cli.app import AGENTS, app
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, brief, moment
from AgentOperatingSystem.cli.system import System, agent_place
from AgentOperatingSystem.errors import InvalidInput

Source = Annotated[str, typer.Option("--source", help="Who sent the event.")]


@command(app, "diff", AGENTS)
def diff(
    agent: Agent,
    system: System,
    out: Output,
    before: Annotated[int | None, typer.Option("--from", metavar="VERSION", min=0, help="The older version.")] = None,
    after: Annotated[
        int | None, typer.Option("--to", metavar="VERSION", min=0, help="The newer version; without it: now.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="EVENT", help="What this event has changed, instead of versions.")
    ] = None,
    source: Source = "/cli",
) -> None:
    """Show what changed in an agent's state: by one event, or between two versions.

    Works on the states that the setting history_states keeps. Where none was kept at just that version, the newest one
    before it is compared.
    """
    if (at is None) == (before is None) or (at is not None and after is not None):
        raise InvalidInput("diff of what? Name --at EVENT, or --from VERSION (and --to VERSION)")
    query: dict[str, Any] = {"from": before, "to": after} if at is None else {"event": at, "source": source}
    found = system.get(agent_place(agent, "/diff", **query))
    rows = (
        (each["path"] or "/", each["change"], brief(each["before"]), brief(each["after"])) for each in found["changes"]
    )
    ends = " → ".join(f"version {found[end]['version']} ({moment(found[end]['at'])})" for end in ("before", "after"))
    out.show(found, ends, Table(("PATH", "CHANGE", "BEFORE", "AFTER"), rows, "no difference"))


@command(app, "fork", AGENTS)
def fork(
    agent: Agent,
    system: System,
    out: Output,
    at: Annotated[str, typer.Option("--at", metavar="EVENT", help="The event whose outcome it begins with.")],
    to: Annotated[str, typer.Option("--as", metavar="AGENT", help="The new agent, `name/key` of the same type.")],
    source: Source = "/cli",
) -> None:
    """Make a new agent from what an event has left of another: state, memory and conversations.

    Schedules, waiting events and outputs are not taken along. An agent that exists is refused.
    """
    done = system.post(agent_place(agent, "/fork"), {"event": at, "to": to, "source": source}).document
    lost = [f"left out, because nobody knows what it was then: {', '.join(done['unknown'])}"] if done["unknown"] else []
    has = f"{done['memory']} memories, {done['conversations']} conversations"
    out.show(done, f"{done['agent']} is {done['origin']} as of version {done['version']}: {has}", *lost)
