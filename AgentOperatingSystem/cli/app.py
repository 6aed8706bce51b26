"""The tree of commands, and the run of one command line.

Called by `main`; the modules of `commands` hang their functions into the tree when they are imported, and import
whatever is heavy only when they are run.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer

from AgentOperatingSystem.cli.exits import FAILED, OK, USAGE, ReaderLeft
from AgentOperatingSystem.cli.light import LightGroup
from AgentOperatingSystem.cli.output import note

EVENTS, AGENTS, CARE, SYSTEM = "Events", "Agents", "Care", "System"
WIDTH_MAX = 100


def _tree(name: str, help_text: str, **settings: Any) -> typer.Typer:
    made = typer.Typer(
        name=name,
        help=help_text,
        cls=LightGroup,
        rich_markup_mode=None,  # its help takes 0.3 s to load
        invoke_without_command=True,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": WIDTH_MAX},
        **settings,
    )

    def show_help(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    made.callback()(show_help)
    return made


app = _tree("aos", "The Agent Operating System: perpetual agents that an event wakes, exactly once.")
schedule = _tree("schedule", "Events that come at their time.", add_completion=False)
quarantine = _tree("quarantine", "Events that are out of the way until a person decides.", add_completion=False)
cost = _tree(
    "cost",
    "Show what models and tools were used and what they cost, the dearest first.\n\n"
    "Days are in UTC. A call whose cost nobody knows counts as unknown, never as nothing.",
    add_completion=False,
)
budget = _tree("budget", "Limits on what agents may use.", add_completion=False)
effects = _tree("effects", "Calls of unknown outcome, until a person decides.", add_completion=False)
approvals = _tree("approvals", "What agents ask people, and the answers.", add_completion=False)
alerts = _tree("alerts", "What is wrong now, and who is told.", add_completion=False)
knowledge = _tree("knowledge", "Documents that agents answer from.", add_completion=False)
create = _tree("create", "Further parts of a project.", add_completion=False)
servicebus = _tree("servicebus", "A Service Bus on this machine, for development and tests.", add_completion=False)
functions = _tree("functions", "Azure Functions on this machine, for development and tests.", add_completion=False)
secrets = _tree("secrets", "Secrets that lie elsewhere, and the encrypted file.", add_completion=False)
tokens = _tree("tokens", "Bearer tokens with names.", add_completion=False)
config = _tree("config", "The configuration of this folder and environment.", add_completion=False)
for group, section in (
    (schedule, EVENTS),
    (quarantine, EVENTS),
    (effects, EVENTS),
    (cost, CARE),
    (budget, CARE),
    (approvals, EVENTS),
    (alerts, CARE),
    (knowledge, AGENTS),
    (create, SYSTEM),
    (servicebus, SYSTEM),
    (functions, SYSTEM),
    (secrets, SYSTEM),
    (tokens, SYSTEM),
    (config, SYSTEM),
):
    app.add_typer(group, rich_help_panel=section)


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and answers its exit code; nothing is raised."""
    _prepare_streams()
    try:
        code = _invoke(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
    except (ReaderLeft, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def _invoke(arguments: list[str]) -> int:
    from AgentOperatingSystem.cli import commands  # noqa: F401  # the import fills the tree

    unreadable = [place for place, text in enumerate(arguments, 1) if not text.isascii() and _is_broken(text)]
    if unreadable:
        note(f"argument {unreadable[0]} is not valid UTF-8")
        return USAGE
    try:
        return app(arguments, prog_name="aos", standalone_mode=False) or OK
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "aos"
        note(f"{error.format_message().rstrip('.')}; see `{path} --help`")
        return error.exit_code
    except typer.Abort:
        return FAILED
    except SystemExit:  # typer's way to end where standard output is closed
        raise ReaderLeft from None


def _is_broken(text: str) -> bool:
    """Whether bytes of the command line could not be read as text."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def _prepare_streams() -> None:
    """A character that the terminal does not know is spelled out, instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
