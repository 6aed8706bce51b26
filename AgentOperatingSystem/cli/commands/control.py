"""`aos pause`, `resume`, `stop`, `start`, `terminate`: control from outside, between an agent's steps."""

from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import AGENTS, app
from AgentOperatingSystem.cli.arguments import Agent, Reason
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output
from AgentOperatingSystem.cli.system import System, agent_place


@command(app, "pause", AGENTS)
def pause(agent: Agent, system: System, out: Output, reason: Reason = None) -> None:
    """Keep an agent's mailbox, and handle nothing of it until it is resumed."""
    _control(agent, "pause", system, out, reason=reason)


@command(app, "resume", AGENTS)
def resume(agent: Agent, system: System, out: Output, reason: Reason = None) -> None:
    """Let a paused agent go on, with everything that came meanwhile."""
    _control(agent, "resume", system, out, reason=reason)


@command(app, "stop", AGENTS)
def stop(agent: Agent, system: System, out: Output, reason: Reason = None) -> None:
    """Break off an agent's turn, uncommitted, and keep its mailbox."""
    _control(agent, "stop", system, out, reason=reason)


@command(app, "start", AGENTS)
def start(agent: Agent, system: System, out: Output, reason: Reason = None) -> None:
    """Start a stopped agent again, with everything that came meanwhile."""
    _control(agent, "start", system, out, reason=reason)


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


def _control(agent: str, action: str, system: System, out: Output, **said: str | bool | None) -> None:
    body = {name: value for name, value in said.items() if value is not None}
    done = system.post(agent_place(agent, f"/{action}"), body).document
    out.show(done, f"{done['agent']} is {done['state']}")
