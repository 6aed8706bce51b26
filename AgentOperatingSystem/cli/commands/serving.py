"""`aos up`, `aos worker`, `aos mcp`, `aos init`: a system for the network, one for a broker alone, one for a model's
host, a project to begin with.
"""

from functools import partial
from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import SYSTEM, app
from AgentOperatingSystem.cli.command import Data, command, finish
from AgentOperatingSystem.cli.output import Output


@command(app, "up", SYSTEM)
def up(
    out: Output,
    agents: Annotated[
        str | None, typer.Argument(metavar="APP", help="Where the agents are: package.module or path/app.py [AOS_APP].")
    ] = None,
    data: Data = None,
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on [AOS_HOST, 127.0.0.1].")] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="The port to listen on [AOS_PORT, 8080]; 0 takes a free one.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again whenever a file of the app changes.")] = False,
    azure_local: Annotated[
        bool,
        typer.Option(
            "--azure-local",
            help="As it runs on Azure: Azurite, a local Service Bus, and function_app.py in a local Functions host.",
        ),
    ] = False,
) -> None:
    """Run a system on this machine, until Ctrl-C.

    It listens on loopback, makes a token at its first start, and keeps everything in one folder.
    """
    if azure_local:
        from AgentOperatingSystem.cli.azure_local import run

        run(out, agents, data, host, port, reload)
        return
    from AgentOperatingSystem.api import create_app
    from AgentOperatingSystem.config import AOSConfig
    from AgentOperatingSystem.hosting.local import serve

    config = AOSConfig(app=agents, data_dir=data, host=host, port=port)
    say = partial(_say, out)
    finish(serve(config, config.app, door=create_app, reload=reload, say=say))


def _say(out: Output, line: str) -> None:
    out.line({"message": line}, line)


@command(app, "worker", SYSTEM)
def worker(
    out: Output,
    agents: Annotated[
        str | None, typer.Argument(metavar="APP", help="Where the agents are: package.module or path/app.py [AOS_APP].")
    ] = None,
    data: Data = None,
    health_port: Annotated[
        int | None,
        typer.Option("--health-port", min=0, max=65535, help="Answer GET /health on this port; 0 takes a free one."),
    ] = None,
) -> None:
    """Handle events from the configured broker, without a door, until SIGTERM or Ctrl-C.

    Made for containers beside Service Bus: on a signal, turns under way come to their end, and what is held goes back
    to the broker.
    """
    from AgentOperatingSystem.config import AOSConfig
    from AgentOperatingSystem.hosting.worker import work

    config = AOSConfig(app=agents, data_dir=data)
    work(config, config.app, health_port=health_port, say=partial(_say, out))


@command(app, "mcp", SYSTEM)
def mcp(
    agents: Annotated[
        str | None,
        typer.Option("--app", metavar="APP", help="Where the agents are: package.module or path/app.py [AOS_APP]."),
    ] = None,
    data: Data = None,
) -> None:
    """Offer the agents to a model's host, over the Model Context Protocol on standard input and output.

    Without agents, it reads what is there and handles nothing.
    """
    import asyncio

    from AgentOperatingSystem.cli.stdio import serve
    from AgentOperatingSystem.config import AOSConfig

    asyncio.run(serve(AOSConfig(app=agents, data_dir=data)))


@command(app, "init", SYSTEM)
def init(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The project's name; a folder of that name is made here.")
    ],
    out: Output,
    template: Annotated[
        str,
        typer.Option(
            "--template",
            help="greeter, assistant, customer_support_agent, code_review_agent or personal_assistant.",
        ),
    ] = "greeter",
) -> None:
    """Make a project: agents, their test, settings, and how to run it."""
    from AgentOperatingSystem.cli.project import make_project

    made = make_project(name, template=template.replace("-", "_"))
    document = {"project": name, "folder": made.folder, "files": made.files}
    following = _NEXT.format(folder=made.folder, agent=made.agent, example=made.example)
    out.show(document, *(f"{made.folder}/{file}" for file in made.files), following)


_NEXT = """
next:
  cd {folder}
  aos up
  aos send {agent} '{example}' --wait 5    (in another terminal)"""
