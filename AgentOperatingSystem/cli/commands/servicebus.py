"""`aos servicebus up`: a broker for development and tests that the vendor's SDK talks to."""

from pathlib import Path
from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import servicebus
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output


@command(servicebus, "up")
def up(
    out: Output,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port to listen on; 0 takes a free one.")] = 5672,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Queues and topics, as the official emulator's Config.json."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Keep the state there over restarts, each accepted message fsynced."
        ),
    ] = None,
    message_bytes_max: Annotated[
        int, typer.Option("--message-bytes-max", min=1024, help="The largest message; the premium tier has 1048576.")
    ] = 262_144,
) -> None:
    """Run a local Service Bus until Ctrl-C: queues, topics, sessions, schedules, dead letters.

    For development and tests, not for production: it takes every client that reaches it. Without --config it has one
    queue, queue.1.
    """
    from AgentOperatingSystem.cli.servicebus import run

    run(out, host, port, config, data, message_bytes_max)
