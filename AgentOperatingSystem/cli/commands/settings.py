"""`aos config show`: every setting, and where its value came from."""

from typing import Annotated

import typer

from AgentOperatingSystem.cli.app import config
from AgentOperatingSystem.cli.command import command
from AgentOperatingSystem.cli.output import Output, Table


@command(config, "show")
def show(
    out: Output,
    given: Annotated[bool, typer.Option("--given", help="Only what is not left at its default.")] = False,
) -> None:
    """Show every setting with its value and where that came from; secrets are masked."""
    from AgentOperatingSystem.config import AOSConfig
    from AgentOperatingSystem.config.sources import DEFAULT_ORIGIN

    settings = [setting for setting in AOSConfig().describe() if not given or setting.origin != DEFAULT_ORIGIN]
    document = {setting.name: {"value": setting.value, "origin": setting.origin} for setting in settings}
    rows = ((setting.name, setting.value, setting.origin) for setting in settings)
    out.show(document, Table(("SETTING", "VALUE", "ORIGIN"), rows, "every setting is at its default"))
