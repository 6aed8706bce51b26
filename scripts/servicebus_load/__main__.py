"""The local Service Bus under load.

    python -m scripts.servicebus_load throughput [--messages N] [--persist]   messages a second, by operation
    python -m scripts.servicebus_load sessions [--sessions 10000]             so many sessions held at once
    python -m scripts.servicebus_load soak [--minutes 10] [--persist]         memory and accounts under traffic
    python -m scripts.servicebus_load strangers [--count 1000] [--seed S]     broken clients, one seed each

The broker runs in a process of its own. `--json` prints one document.
"""

import argparse
import asyncio
import json
import random
import tempfile
from pathlib import Path
from typing import Any

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient

from scripts.servicebus_load.broker import running
from scripts.servicebus_load.sessions import held
from scripts.servicebus_load.soak import soaked
from scripts.servicebus_load.strangers import pester
from scripts.servicebus_load.throughput import measured


def main() -> int:
    """0 where everything is as it has to be."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="servicebus-load-") as folder:
        found = asyncio.run(_run(asked, Path(folder)))
    print(json.dumps(found, indent=None if asked.json else 2))
    return 1 if found.get("unaccounted") or found.get("still_running") is False else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.servicebus_load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("throughput", "sessions", "soak", "strangers"))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None, help="another run of the same; printed with the result")
    parser.add_argument("--persist", action="store_true", help="each accepted message fsynced")
    parser.add_argument("--json", action="store_true", help="one line")
    return parser.parse_args()


async def _run(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    seed = asked.seed if asked.seed is not None else random.randrange(2**32)
    match asked.what:
        case "throughput":
            return await measured(folder, asked.messages, persist=asked.persist)
        case "sessions":
            return await held(folder, asked.sessions)
        case "soak":
            return await soaked(folder, asked.minutes, seed, persist=asked.persist)
    return await _strangers(folder, asked.count, seed)


async def _strangers(folder: Path, count: int, seed: int) -> dict[str, Any]:
    async with running(folder, "plain", "busy-sessions") as broker:
        before = broker.megabytes
        for start in range(0, count, 20):
            numbers = range(start, min(start + 20, count))
            await asyncio.gather(*(pester("127.0.0.1", broker.port, f"{seed}-{number}") for number in numbers))
        client = ServiceBusClient.from_connection_string(broker.connection_string)
        async with client, client.get_queue_sender("plain") as sender:
            await sender.send_messages(ServiceBusMessage("still served"))
        memory = {"megabytes_before": before, "megabytes_after": broker.megabytes}
        return {"strangers": count, "seed": seed, "still_running": broker.is_running, **memory}


if __name__ == "__main__":
    raise SystemExit(main())
