"""`aos functions up`: Azure Functions on this machine, where Core Tools cannot be had."""

from pathlib import Path
from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import functions
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output


@command(functions, "up")
def up(
    out: Output,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where function_app.py and host.json are.")
    ] = Path("."),
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on; 0 takes a free one.")] = 7071,
    engine: Annotated[
        str,
        typer.Option(
            "--engine", help="What runs them: runtime (Microsoft's own, Python 3.13), sdk, or auto for the best."
        ),
    ] = "auto",
) -> None:
    """Run a function app on this machine until Ctrl-C: HTTP, timers, queues, Service Bus, Event Grid.

    For development and tests. It runs the function_app.py that is deployed; `func start` of Azure Functions Core Tools
    does the same, where that can be installed.
    """
    from AgentOperatingSystem.cli.functions import run

    run(out, folder, host, port, engine)
