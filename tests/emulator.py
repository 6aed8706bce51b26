"""Azurite, the emulator of Azure Storage: one process for the whole run of the tests, started by the first that asks.

It keeps everything in memory, listens on free ports of loopback, and is stopped when the tests end. Where it cannot be
installed or started, the test that asked fails: what runs against it is not optional.
"""

import atexit
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import uuid4

from tests.fault_proxy import FaultProxy

ROOT = Path(__file__).parents[1]
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's well-known account, which is no secret."""
_LISTENS = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")
_OPTIONS = ("--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck")


@dataclass(frozen=True)
class Emulator:
    """Where its services listen."""

    blob: str
    queue: str
    table: str

    @property
    def connection_string(self) -> str:
        """As `storage_connection_string` takes it."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.blob}/{ACCOUNT};QueueEndpoint={self.queue}/{ACCOUNT};TableEndpoint={self.table}/{ACCOUNT};"
        )


@cache
def emulator() -> Emulator:
    """The running emulator."""
    subprocess.run([ROOT / "scripts" / "azurite"], check=True, timeout=280)
    program = ROOT / ".azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    ports = [f"--{service}Port=0" for service in ("blob", "queue", "table")]
    keep_alive = [f"--{service}KeepAliveTimeout=300" for service in ("blob", "queue", "table")]
    process = subprocess.Popen(["node", program, *_OPTIONS, *ports, *keep_alive], stdout=subprocess.PIPE, text=True)
    atexit.register(_stop, process)
    return _behind_faults(Emulator(**_endpoints(process)))


def fresh_prefix() -> str:
    """A name for tables and containers that nobody else has."""
    return f"t{uuid4().hex[:20]}"


def _behind_faults(plain: Emulator) -> Emulator:
    """The emulator behind a proxy that breaks things, where the environment asks for it (`tests/fault_proxy.py`)."""
    share = float(os.environ.get("AOS_TEST_STORAGE_FAULTS", "0"))
    if not share:
        return plain
    proxy = FaultProxy(share)
    atexit.register(_tell, proxy)
    return Emulator(proxy.before(plain.blob), proxy.before(plain.queue), proxy.before(plain.table))


def _tell(proxy: FaultProxy) -> None:
    proxy.close()
    print(f"faults met: {dict(sorted(proxy.met.items()))}")


def _endpoints(process: "subprocess.Popen[str]") -> dict[str, str]:
    found: dict[str, str] = {}
    assert process.stdout is not None
    for line in process.stdout:
        listens = _LISTENS.search(line)
        if listens:
            found[listens[1].lower()] = listens[2]
        if len(found) == 3:
            return found
    raise RuntimeError(f"Azurite ended with status {process.wait()} before it listened; it named {sorted(found)}")


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
