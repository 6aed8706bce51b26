"""The parent: starts everything, attacks until so many kills have struck, lets everything come to its end, judges.

Judged is what agents remember and what an outside consumer was handed, against the client's own log.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.azure_local import wiring
from AgentOperatingSystem.proof.report import Report
from AgentOperatingSystem.proof.stack.broker import LOCK_SECONDS, OUTSIDE, WINDOW_SECONDS
from AgentOperatingSystem.proof.stack.clients import Client
from AgentOperatingSystem.proof.stack.hosts import FUNCTIONS, WORKER, Broker, Host
from AgentOperatingSystem.proof.stack.proxy import Proxy

TALLIES = 6
SETTLED_SECONDS_MAX = 120.0
AGAIN = 12
"""How many old events of each tally are sent again when the window is over."""
TOKEN = "a-token-for-a-proof"


class Stack:
    """One campaign."""

    def __init__(self, folder: Path, storage: str, kills: int, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        """What was done beside killing hosts."""
        self._wanted = kills
        self._chance = random.Random(seed)
        self._folder = folder
        self._storage = storage
        self._broker = Broker(folder / "broker")
        self._proxy = Proxy()
        self._hosts: list[Host] = []

    async def run(self) -> Report:
        """Attacks, waits, judges."""
        (self._folder / "broker").mkdir()
        await self._proxy.start()
        self._proxy.target = await self._broker.start()
        bus = f"Endpoint=sb://127.0.0.1:{self._proxy.port};SharedAccessKeyName=x;SharedAccessKey=x;"
        self._hosts = self._made(bus + "UseDevelopmentEmulator=true;")
        client = Client(self._hosts, bus + "UseDevelopmentEmulator=true;", TOKEN, self._chance)
        try:
            await self._attack(client)
            await self._send_old_ones(client)
            found = await self._settled(client)
            return self._judge(client, found, await client.seen_outside(OUTSIDE))
        finally:
            await client.close()
            await asyncio.gather(*(host.stop() for host in self._hosts), return_exceptions=True)
            await self._proxy.stop()
            await self._broker.kill()

    def _made(self, bus: str) -> list[Host]:
        settings = wiring.settings(AOSConfig(app="-"), self._storage, bus, TOKEN, self._folder)
        settings |= {
            "AOS_STORAGE_TABLE": f"s{uuid4().hex[:20]}",
            "AOS_CRASH_LIMIT": "1000000",
            "AOS_BACKOFF_BASE_SECONDS": "0.2",
            "AOS_DRAIN_TIMEOUT_SECONDS": "5",
        }
        folder = wiring.app_folder()
        names = ((f"{FUNCTIONS}1", FUNCTIONS), (f"{FUNCTIONS}2", FUNCTIONS), (WORKER, WORKER))
        return [Host(name, kind, self._folder, folder, settings) for name, kind in names]

    # --- the attack -------------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self.kills.total() >= self._wanted

    async def _attack(self, client: Client) -> None:
        async with asyncio.TaskGroup() as group:
            for tally in range(TALLIES):
                group.create_task(client.feed(tally, self._is_over))
            for host in self._hosts:
                group.create_task(host.live(self.kills, self._chance, self._is_over))
            group.create_task(self._break_the_rest())

    async def _break_the_rest(self) -> None:
        """Cuts connections, stops hosts past their locks, and kills the broker, in turns, until enough was killed."""
        while not any(host.is_up for host in self._hosts):  # noqa: ASYNC110  # they are processes
            await asyncio.sleep(0.1)
        ways = (self._cut, self._freeze, self._kill_broker)
        turn = 0
        while not self._is_over():
            await ways[turn % len(ways)]()
            turn += 1
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))

    async def _cut(self) -> None:
        if self._proxy.cut():
            self.others["connections cut"] += 1

    async def _freeze(self) -> None:
        host = self._chance.choice(self._hosts)
        if host.freeze():
            await asyncio.sleep(1.4 * LOCK_SECONDS)
            self.others["stopped past its lock"] += 1
            host.thaw()

    async def _kill_broker(self) -> None:
        self._proxy.target = 0
        await self._broker.kill()
        self._proxy.cut()
        self._proxy.target = await self._broker.start()
        self.others["broker killed"] += 1

    async def _send_old_ones(self, client: Client) -> None:
        """Duplicates that the broker takes for new ones: their first sending is beyond its window."""
        await asyncio.sleep(WINDOW_SECONDS)
        for tally, sent in enumerate(client.sent):
            for number in self._chance.sample(range(sent), min(AGAIN, sent)):
                await client.send_again(client.event(tally, number))
                self.others["sent again behind the window"] += 1

    # --- the verdict ------------------------------------------------------------------------------------------------

    async def _settled(self, client: Client) -> dict[str, Any]:
        """What everybody remembers, when all of it is there, or when it has taken too long."""
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        total = sum(client.sent)
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            found = await self._remembered(client)
            counts = [sum(len(each) for each in found["tallies"]), len(found["sink"]), len(found["hearer"])]
            if min(counts) >= total:
                await asyncio.sleep(2.0)  # whoever is late now does something twice
                return await self._remembered(client)
            await asyncio.sleep(0.5)
        return found

    async def _remembered(self, client: Client) -> dict[str, Any]:
        async def state(name: str, **query: str) -> dict[str, Any]:
            return await client.get(f"/api/v1/agents/{name}/state", **query) or {}

        tallies = [(await state("tally", key=str(tally))).get("numbers", []) for tally in range(TALLIES)]
        aside = await client.get("/api/v1/quarantine") or {}
        return {
            "tallies": tallies,
            "sink": await state("sink"),
            "hearer": await state("hearer"),
            "aside": [each.get("reason", "") for each in aside.get("items", [])],
        }

    def _judge(self, client: Client, found: dict[str, Any], outside: dict[str, set[str]]) -> Report:
        failures = list(client.failures)
        expected = {f"t{tally}-{number}" for tally, sent in enumerate(client.sent) for number in range(sent)}
        applied = Counter(f"t{tally}-{number}" for tally, some in enumerate(found["tallies"]) for number in some)
        lost = twice = 0
        handed = {name: len(ids) for name, ids in outside.items()}
        for what, ledger in (
            ("applied", applied),
            ("whose message came", found["sink"]),
            ("whose publication came", found["hearer"]),
            ("seen outside", handed),
        ):
            lost += _note(f"not {what}", expected - set(ledger), failures)
            twice += _note(f"{what} twice", {name for name, times in ledger.items() if times > 1}, failures)
        for tally, numbers in enumerate(found["tallies"]):
            _note(f"of tally {tally} out of order", set(_disordered(numbers)), failures)
        failures += [f"in the quarantine: {reason}" for reason in found["aside"]]
        report = Report(
            faults=self.kills.total() + self.others.total(),
            events=len(expected),
            lost=lost,
            applied_twice=twice,
            stuck=len(found["aside"]),
            hash=sha256(repr(sorted(applied.items())).encode()).hexdigest()[:16],
            by_kind=dict(sorted((self.kills + self.others).items())),
            kills=self.kills.total() + self.others["broker killed"],
        )
        if failures:
            report["failures"] = failures
        return report


def _disordered(numbers: list[int]) -> list[int]:
    return [later for earlier, later in pairwise(numbers) if later <= earlier]


def _note(what: str, found: set[Any], failures: list[str]) -> int:
    if found:
        failures.append(f"{len(found)} events {what}: {sorted(found)[:5]}")
    return len(found)


def run_stack(kills: int, storage: str, *, seed: int = 0, folder: Path | None = None) -> Report:
    """Attacks a whole deployment on the storage account `storage` until so many hosts were killed, and judges.

    `folder` is empty, and gets the hosts' logs. Raises `AOSError` where something cannot be started.
    """
    if folder is not None:
        return asyncio.run(Stack(folder, storage, kills, seed).run())
    with tempfile.TemporaryDirectory(prefix="aos-stack-") as made:
        return asyncio.run(Stack(Path(made), storage, kills, seed).run())
