"""An imitation of Cosmos DB from npm: one process for the whole run of the tests, started by the first that asks.

It is good for a smoke test. What it does otherwise than the service, as found with azure-cosmos 4.17: a read of a
missing item is a 500 and not a 404; a query looks into all partitions; transactions are not atomic. So nothing that
rests on these is tested here but on a live account, where `AOS_TEST_COSMOS` has its connection string.
"""

import atexit
import socket
import subprocess
import time
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEY = "dGVzdA=="


@cache
def cosmos_endpoint() -> str:
    """Where it listens."""
    subprocess.run([ROOT / "scripts" / "cosmos"], check=True, timeout=280)
    program = ROOT / ".cosmos" / "node_modules" / "@vercel" / "cosmosdb-server" / "lib" / "cli.js"
    port = _free_port()
    process = subprocess.Popen(["node", program, "-p", str(port), "--no-ssl"], stdout=subprocess.DEVNULL)
    atexit.register(_stop, process)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"http://127.0.0.1:{port}"
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("the imitation of Cosmos DB does not listen")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait()
