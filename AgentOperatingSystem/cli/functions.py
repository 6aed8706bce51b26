"""`aos functions up`: the local Functions host in the foreground.

Called by `commands.functions`. It reads the app's settings, loads `function_app.py` and serves until Ctrl-C or SIGTERM.
"""

import asyncio
from functools import partial
from pathlib import Path

from AgentOperatingSystem.cli.output import Output
from AgentOperatingSystem.config.process import become_worker
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.app_settings import local_values, read
from AgentOperatingSystem.hosting.functions_host.front import front
from AgentOperatingSystem.hosting.functions_host.host import FunctionsHost, engine_of, serve
from AgentOperatingSystem.observability import logs


def run(out: Output, folder: Path, host: str, port: int, engine: str) -> None:
    """Serves until it is told to end. Raises `ConfigurationError` where it cannot begin."""
    folder = folder.resolve()
    if not (folder / "function_app.py").is_file():
        raise ConfigurationError(f"{folder}: there is no function_app.py; name the app's folder with --folder")
    settings = read(folder, become_worker(local_values(folder)))
    logs.configure("INFO")
    made = FunctionsHost(folder, settings, engine_of(engine))
    asyncio.run(serve(made, host, port, partial(_say, out), front))


def _say(out: Output, line: str) -> None:
    out.line({"message": line}, line)
