"""`aos card`: what an agent is for, can do and may do."""

from typing import Any

from AgentOperatingSystem.cli.app import AGENTS, app
from AgentOperatingSystem.cli.arguments import Agent
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, printable
from AgentOperatingSystem.cli.system import System, agent_place


@command(app, "card", AGENTS)
def card(agent: Agent, system: System, out: Output) -> None:
    """Show an agent's card, from its code: purpose, tools with their effects, subscriptions, policies.

    It is printed as Markdown; --json prints the document.
    """
    found: dict[str, Any] = system.get(agent_place(agent, "/card"))
    if out.as_json:
        out.show(found)
        return
    import msgspec

    from AgentOperatingSystem.agents.card import AgentCard, markdown  # 0.1 s, which other commands need not wait for

    page = markdown(msgspec.convert(found, AgentCard))
    out.show(found, *(printable(line) for line in page.splitlines()))
