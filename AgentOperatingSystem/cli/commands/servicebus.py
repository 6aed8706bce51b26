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
    admin_port: Annotated[
        int | None,
        typer.Option(
            "--admin-port", help="Administration and /health over HTTP: 5300, a free one where --port is 0; -1: none."
        ),
    ] = None,
    tls_port: Annotated[
        int | None,
        typer.Option("--tls-port", help="AMQP with TLS there (clients expect 5671), and HTTPS on the admin port too."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--cert", metavar="PEM", help="The certificate; without it one of our own, made on first use."),
    ] = None,
    certificate_key: Annotated[
        Path | None, typer.Option("--cert-key", metavar="PEM", help="The certificate's private key.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--persist",
            "--data",
            metavar="DIR",
            help="Keep the state there over restarts, each accepted message fsynced.",
        ),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="NAME=KEY",
            help="Check tokens against this key, with all rights; NAME:Listen=KEY with some.",
        ),
    ] = None,
    message_bytes_max: Annotated[
        int, typer.Option("--message-bytes-max", min=1024, help="The largest message; the premium tier has 1048576.")
    ] = 262_144,
) -> None:
    """Run a local Service Bus until Ctrl-C: queues, topics, sessions, schedules, dead letters, administration.

    For development and tests, not for production: without --key it takes every client that reaches it. Without
    --config it has one queue, queue.1; more can be made through the administration port.
    """
    from AgentOperatingSystem.cli.servicebus import Ports, Secrets, run

    ports = Ports(host, port, admin_port, tls_port)
    run(out, ports, Secrets(certificate, certificate_key, keys or []), config, data, message_bytes_max)
