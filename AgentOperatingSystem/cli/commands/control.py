"""`aos pause`, `resume`, `stop`, `start`, `terminate`, `cancel`, `switches`: control from outside, between steps."""

from typing import Annotated
from urllib.parse import quote

import typer

from AgentOperatingSystem.cli.app import AGENTS, EVENTS, app
from AgentOperatingSystem.cli.arguments import Agent, Reason
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table, moment
from AgentOperatingSystem.cli.system import System, agent_place, place
from AgentOperatingSystem.errors import InvalidInput

MaybeAgent = Annotated[str | None, typer.Argument(metavar="AGENT", help="The agent, `name` or `name/key`.")]
OfType = Annotated[str | None, typer.Option("--type", metavar="NAME", help="All agents of this type instead.")]
OfTenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="All agents of this tenant instead.")]


@command(app, "pause", AGENTS)
def pause(
    system: System,
    out: Output,
    agent: MaybeAgent = None,
    type: OfType = None,
    tenant: OfTenant = None,
    reason: Reason = None,
) -> None:
    """Keep the mailbox of an agent, a type or the tenant, and handle nothing until it is resumed."""
    _held(agent, type, tenant, "pause", system, out, reason)


@command(app, "resume", AGENTS)
def resume(
    system: System,
    out: Output,
    agent: MaybeAgent = None,
    type: OfType = None,
    tenant: OfTenant = None,
    reason: Reason = None,
) -> None:
    """Let a paused agent, type or tenant go on, with everything that came meanwhile."""
    _held(agent, type, tenant, "resume", system, out, reason)


@command(app, "stop", AGENTS)
def stop(
    system: System,
    out: Output,
    agent: MaybeAgent = None,
    type: OfType = None,
    tenant: OfTenant = None,
    reason: Reason = None,
) -> None:
    """Break off the turns of an agent, a type or the tenant, uncommitted, and keep the mailboxes."""
    _held(agent, type, tenant, "stop", system, out, reason)


@command(app, "start", AGENTS)
def start(
    system: System,
    out: Output,
    agent: MaybeAgent = None,
    type: OfType = None,
    tenant: OfTenant = None,
    reason: Reason = None,
) -> None:
    """Start a stopped agent, type or tenant again, with everything that came meanwhile."""
    _held(agent, type, tenant, "start", system, out, reason)


@command(app, "terminate", AGENTS)
def terminate(
    agent: Agent,
    system: System,
    out: Output,
    reason: Reason = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete its state, history and memory too.")] = False,
) -> None:
    """End an agent for good: a tombstone stays, and it accepts nothing more."""
    _control(agent, "terminate", system, out, reason=reason, delete=delete or None)


@command(app, "cancel", EVENTS)
def cancel(
    agent: Agent,
    event: Annotated[str, typer.Argument(metavar="EVENT", help="The id of one of its events.")],
    system: System,
    out: Output,
    source: Annotated[str, typer.Option("--source", help="Who sent the event.")] = "/cli",
    reason: Reason = None,
) -> None:
    """End an event as cancelled, wherever it is.

    Queued, parked, waiting or in doubt: at once. In a handler's hands: at its next step, and a model's call that is
    under way is broken off. What its steps did is done.
    """
    where = agent_place(agent, f"/events/{quote(event, safe='')}/cancel", source=source)
    done = system.post(where, {"reason": reason} if reason else None).document
    out.show(done, f"{done['agent']}: event {done['id']} is {done['status']} ({done['reason']})")


@command(app, "switches", AGENTS)
def switches(system: System, out: Output) -> None:
    """List the types and tenants that are paused or stopped."""
    page = system.get(place("/switches"))
    rows = (
        (each["type"] or "(tenant)", each["state"], moment(each["since"]), each["reason"]) for each in page["items"]
    )
    out.show(page, Table(("TYPE", "STATE", "SINCE", "REASON"), rows, "nothing is held"))


def _held(
    agent: str | None,
    type: str | None,
    tenant: str | None,
    action: str,
    system: System,
    out: Output,
    reason: str | None,
) -> None:
    """Control of one agent, or of what a switch holds. Raises `InvalidInput` unless exactly one is named."""
    if [agent, type, tenant].count(None) != 2:
        raise InvalidInput(f"{action} what? Name an agent, --type or --tenant: one of them")
    if agent is not None:
        _control(agent, action, system, out, reason=reason)
        return
    over = f"/types/{quote(type, safe='')}" if type is not None else f"/tenants/{quote(tenant or '', safe='')}"
    done = system.post(place(f"{over}/{action}"), {"reason": reason} if reason else None).document
    what = f"type {done['type']}" if done["type"] else f"tenant {done['tenant']}"
    out.show(done, f"{what} is {done['state']}; every host has seen it within {done['stale_seconds']:g} s")


def _control(agent: str, action: str, system: System, out: Output, **said: str | bool | None) -> None:
    body = {name: value for name, value in said.items() if value is not None}
    done = system.post(agent_place(agent, f"/{action}"), body).document
    out.show(done, f"{done['agent']} is {done['state']}")
