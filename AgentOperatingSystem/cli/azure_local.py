"""`aos up --azure-local`: one line for each part, until Ctrl-C. Called by `commands.serving`."""

from pathlib import Path
from typing import Any

from AgentOperatingSystem.cli.output import Output
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput
from AgentOperatingSystem.hosting.azure_local.wiring import app_folder


def run(out: Output, agents: str | None, data: Path | None, host: str | None, port: int | None, reload: bool) -> None:
    """Serves until it is told to end. Raises `ConfigurationError`, `InvalidInput`."""
    if reload:
        raise InvalidInput("--reload is for the embedded system; --azure-local starts again when you do")

    def say(text: str, document: dict[str, Any]) -> None:
        out.line(document, text)

    try:
        from AgentOperatingSystem.hosting.azure_local.stack import Plan, serve
    except ImportError as error:
        raise ConfigurationError(f"{error}; install agent-operating-system[azure]") from None
    serve(Plan(AOSConfig(app=agents, data_dir=data, host=host, port=port), app_folder(), say))
