"""Azurite, Microsoft's emulator of Azure Storage: where its program lies, how it is started, what it says.

In a checkout `scripts/azurite` installs the pinned version by npm; elsewhere the command `azurite` of the path is
taken.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from AgentOperatingSystem.errors import ConfigurationError

CHECKOUT: Final = Path(__file__).parents[3]
"""Where this package lies; only in a checkout there are scripts beside it."""
PROGRAM: Final = Path(".azurite/node_modules/azurite/dist/src/azurite.js")
SERVICES: Final = ("blob", "queue", "table")
OPTIONS: Final = ("--silent", "--disableTelemetry", "--skipApiVersionCheck")
USUAL_PORTS: Final = (10000, 10001, 10002)
PINNED: Final = "3.37.0"
KEEP_ALIVE_SECONDS: Final = 300
NO_NODE: Final = "Azurite needs Node.js 20 or newer, as 'node' on the path: https://nodejs.org"
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's well-known account, which is no secret."""
_LISTENS: Final = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


def command(checkout: Path = CHECKOUT) -> list[str]:
    """What starts it; installs it first where that can be done. Raises `ConfigurationError`."""
    if shutil.which("node") is None:
        raise ConfigurationError(NO_NODE)
    script = checkout / "scripts" / "azurite"
    if script.is_file():
        return ["node", str(_installed(checkout, script))]
    found = shutil.which("azurite")
    if found is None:
        raise ConfigurationError(f"Azurite is not installed: npm install -g azurite@{PINNED}")
    return [found]


def _installed(checkout: Path, script: Path) -> Path:
    """The program of a checkout, installed at its first use."""
    made = subprocess.run([script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise ConfigurationError(f"Azurite cannot be installed: {made.stderr.strip() or script}")
    return checkout / PROGRAM


def arguments(folder: Path, ports: tuple[int, ...] = (0, 0, 0)) -> list[str]:
    """Its options: state in `folder`, and where to listen on loopback; 0 takes a free port."""
    places = [f"--{service}Port={port}" for service, port in zip(SERVICES, ports, strict=True)]
    patience = [f"--{service}KeepAliveTimeout={KEEP_ALIVE_SECONDS}" for service in SERVICES]
    return [*OPTIONS, "--location", str(folder), *places, *patience]


def endpoint(line: str) -> tuple[str, str] | None:
    """The service and the address that a line of its output speaks of."""
    listens = _LISTENS.search(line)
    return (listens[1].lower(), listens[2]) if listens else None


def connection_string(endpoints: dict[str, str]) -> str:
    """As `storage_connection_string` takes it, of the endpoints of the three services."""
    named = "".join(f"{name.title()}Endpoint={url}/{_ACCOUNT};" for name, url in endpoints.items())
    return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{named}"
