"""`aos tokens`: bearer tokens with the names of their holders, in the file of the setting `tokens_file`."""

from typing import TYPE_CHECKING, Annotated

import typer

from AgentOperatingSystem.cli.app import tokens
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table
from AgentOperatingSystem.errors import ConfigurationError

if TYPE_CHECKING:
    from AgentOperatingSystem.auth.tokens_file import TokensFile

Name = Annotated[str, typer.Argument(metavar="NAME", help="Who holds it: alice@example.org.")]


@command(tokens, "add")
def add(
    name: Name,
    out: Output,
    speaks_for_others: Annotated[
        bool, typer.Option("--speaks-for-others", help="For a gateway that says itself who decides and asks.")
    ] = False,
) -> None:
    """Make a token for somebody; it is shown this once, and kept as a hash alone."""
    token = _file().add(name, speaks_for_others)
    out.show({"name": name, "token": token}, token)


@command(tokens, "ls")
def list_(out: Output) -> None:
    """List who holds tokens."""
    holders = _file().read()
    rows = [(each.name, each.sha256[:8], "yes" if each.speaks_for_others else "") for each in holders]
    document = [{"name": each.name, "speaks_for_others": each.speaks_for_others} for each in holders]
    out.show({"tokens": document}, Table(("NAME", "SHA-256", "SPEAKS FOR OTHERS"), rows, "nobody holds a token"))


@command(tokens, "rm")
def remove(name: Name, out: Output) -> None:
    """Take all tokens of somebody back; a running system refuses them from then on."""
    count = _file().remove(name)
    out.show({"name": name, "removed": count}, f"{name}: {count} taken back")


def _file() -> "TokensFile":
    from AgentOperatingSystem.auth.tokens_file import TokensFile
    from AgentOperatingSystem.config import AOSConfig

    path = AOSConfig().tokens_file
    if path is None:
        raise ConfigurationError("no tokens file: set tokens_file (AOS_TOKENS_FILE)")
    return TokensFile(path)
