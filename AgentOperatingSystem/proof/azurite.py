"""Azurite for proofs that need Azure Storage: a process of one's own, on disk, on free ports, stopped at the end.

`aos bench --store azurite` and `aos faults --store azurite` start it. Installed by `scripts/azurite` into `.azurite` of
a checkout; where a storage account is configured, that one is used in its place.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.azure_local.azurite import (
    NO_NODE,
    PROGRAM,
    SERVICES,
    arguments,
    connection_string,
    endpoint,
)

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
    command = ["node", str(program), *arguments(folder)]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        raise ConfigurationError(NO_NODE) from None
    try:
        yield connection_string(_endpoints(process))
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()


def _endpoints(process: "subprocess.Popen[str]") -> dict[str, str]:
    found: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        found.update(filter(None, [endpoint(line)]))
        if len(found) == len(SERVICES):
            return found
    raise ConfigurationError(f"Azurite ended with status {process.wait()} before it listened")
