"""Azurite for proofs that need Azure Storage: a process of one's own, on disk, on free ports, stopped at the end.

`aos bench --store azurite` and `aos faults --store azurite` start it. Installed by `scripts/azurite` into `.azurite` of
a checkout; where a storage account is configured, that one is used in its place.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

PROGRAM: Final = Path(".azurite/node_modules/azurite/dist/src/azurite.js")
SERVICES: Final = ("blob", "queue", "table")
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's well-known account, which is no secret."""
_LISTENS: Final = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")
_STOP_SECONDS: Final = 10


@contextmanager
def account(folder: Path) -> Iterator[str]:
    """The connection string of the configured account, else of an Azurite that keeps its files in `folder`.

    Raises `ConfigurationError` where there is neither.
    """
    configured = AOSConfig().storage_connection_string
    if configured is not None:
        yield configured.get_secret_value()
        return
    with running(folder) as text:
        yield text


@contextmanager
def running(folder: Path, program: Path = PROGRAM) -> Iterator[str]:
    """An Azurite of one's own; its connection string. Raises `ConfigurationError` where it is not installed."""
    if not program.exists():
        raise ConfigurationError(
            "Azurite is not installed here: run scripts/azurite in a checkout, or set storage_connection_string"
        )
    options = ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--location", str(folder)]
    ports = [f"--{service}Port=0" for service in SERVICES]
    patience = [f"--{service}KeepAliveTimeout=300" for service in SERVICES]
    command = ["node", str(program), *options, *ports, *patience]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        raise ConfigurationError("Azurite needs Node.js 20 or newer, as 'node' on the path") from None
    try:
        yield connection_string(_endpoints(process))
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def connection_string(endpoints: dict[str, str]) -> str:
    """As `storage_connection_string` takes it, of the endpoints of the three services."""
    named = "".join(f"{name.title()}Endpoint={url}/{_ACCOUNT};" for name, url in endpoints.items())
    return f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};{named}"


def _endpoints(process: "subprocess.Popen[str]") -> dict[str, str]:
    found: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        listens = _LISTENS.search(line)
        if listens:
            found[listens[1].lower()] = listens[2]
        if len(found) == len(SERVICES):
            return found
    raise ConfigurationError(f"Azurite ended with status {process.wait()} before it listened")
