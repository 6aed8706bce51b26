"""`aos create agent`: a further agent in a project, from a template."""

from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import create
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output


@command(create, "agent")
def create_agent(
    out: Output,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="What it is called, such as 'Customer Support'; --name will do too."),
    ] = None,
    named: Annotated[str | None, typer.Option("--name", metavar="NAME", help="The same as the argument.")] = None,
    template: Annotated[
        str,
        typer.Option(
            "--template",
            help="assistant, customer_support_agent, code_review_agent or personal_assistant.",
        ),
    ] = "assistant",
) -> None:
    """Add an agent to the project in this folder: its module, its test, and its place among the agents."""
    from AgentOperatingSystem.cli.project import AGENTS, add_agent

    template = template.replace("-", "_")
    title = name or named or (AGENTS[template].title if template in AGENTS else "Assistant")
    added = add_agent(title, template)
    document = {"agent": added.agent, "template": template, "files": added.files}
    out.show(document, *added.files, f"\nnext:\n  aos up\n  aos send {added.agent} '\"Hello\"' --wait 60")
