"""`aos secrets`: the encrypted file that `secretsfile://name` in the configuration means, and what can be read at all.

No command shows a value, and none takes one as an argument, which every process on the machine could see.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from AgentOperatingSystem.cli.app import secrets
from AgentOperatingSystem.cli.command import command, finish
from AgentOperatingSystem.cli.exits import FAILED, OK
from AgentOperatingSystem.cli.output import Output, Table
from AgentOperatingSystem.errors import InvalidInput

if TYPE_CHECKING:
    from AgentOperatingSystem.auth.secrets_file import SecretsFile

Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and dashes.")]


@command(secrets, "set")
def set_(name: Name, out: Output) -> None:
    """Keep a secret in the encrypted file; its value is read from standard input, or asked for."""
    file = _file()
    is_new = file.set(name, _value(name))
    out.show(
        {"name": name, "new": is_new}, f"{name} is {'kept' if is_new else 'another one now'}: secretsfile://{name}"
    )


@command(secrets, "get-names")
def get_names(out: Output) -> None:
    """List the names in the encrypted file."""
    names = _file().names()
    out.show(
        {"names": names}, Table(("NAME", "REFERENCE"), [(name, f"secretsfile://{name}") for name in names], "none")
    )


@command(secrets, "rm")
def remove(name: Name, out: Output) -> None:
    """Forget a secret of the encrypted file."""
    _file().remove(name)
    out.show({"name": name, "removed": True}, f"{name} is gone")


@command(secrets, "check")
def check(out: Output) -> None:
    """Read every secret that the configuration refers to, wherever it lies, and say which cannot be had."""
    import asyncio

    from AgentOperatingSystem.auth.checking import checked
    from AgentOperatingSystem.config import AOSConfig

    found = asyncio.run(checked(AOSConfig()))
    rows = [(each.setting, each.reference, each.trouble or "can be read") for each in found]
    table = Table(("SETTING", "REFERENCE", "STATE"), rows, "the configuration refers to no secret elsewhere")
    out.show({"secrets": [each._asdict() for each in found]}, table)
    finish(FAILED if any(each.trouble for each in found) else OK)


def _file() -> "SecretsFile":
    from AgentOperatingSystem.auth.secrets_file import secrets_file
    from AgentOperatingSystem.config import AOSConfig

    config = AOSConfig()
    key = config.secrets_file_key
    return secrets_file(config.secrets_file, key.get_secret_value() if key else None)


def _value(name: str) -> str:
    """The value, without the line's end. Raises `InvalidInput` where there is none."""
    if sys.stdin.isatty():
        from getpass import getpass

        value = getpass(f"{name}: ")
    else:
        try:
            value = sys.stdin.buffer.read().decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise InvalidInput("the secret on standard input is not UTF-8") from None
    if not value:
        raise InvalidInput(f"no value on standard input: aos secrets set {name} < FILE")
    return value
