"""The parent: keeps its own log of what was accepted, kills hosts, starts them again until the work is done, and
judges.

A kill counts only where it struck with an event in flight. The outcome must be that of an undisturbed run: every event
applied once, in the order in which its sender saw it accepted, its message and its publication received once each.
"""

import random
import tempfile
import time
from collections import Counter
from hashlib import sha256
from multiprocessing.connection import wait
from pathlib import Path
from uuid import uuid4

from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.proof.kill.hosts import Host, pipes
from AgentOperatingSystem.proof.kill.points import POINTS, Setup
from AgentOperatingSystem.proof.kill.verdict import disorders, judge
from AgentOperatingSystem.proof.kill.work import TALLIES
from AgentOperatingSystem.proof.report import Report

IN_FLIGHT = 12
COUNTDOWN_MAX = 40
STILLBORN_MAX = 20
SILENCE_SECONDS_MAX = 60.0
"""How long nothing may be answered before the run counts as stuck."""


class HostsDoNotLive(AOSError):
    """Hosts end by themselves as soon as they are born: there is nothing to kill."""

    code = "hosts-do-not-live"


class Campaign:
    """One run on one store."""

    def __init__(self, setup: Setup, kills: int, hosts: int, seed: int) -> None:
        self.kills: Counter[str] = Counter()
        self.answered: list[int] = []
        """In the order of the answers."""
        self.known: dict[int, int] = {}
        """How many answers there were when an event was first sent."""
        self._setup = setup
        self._wanted = kills
        self._chance = random.Random(seed)
        self._next = 0
        self._stillborn = 0
        self._again: list[int] = []
        """Events whose answer was lost with their host: they are sent again, under the same id."""
        self._hosts = [self._new_host() for _ in range(hosts)]

    @property
    def sent(self) -> int:
        """How many events there are."""
        return self._next

    def run(self) -> bool:
        """Until all kills have struck and every event is answered; False where it got stuck."""
        heard = time.monotonic()
        while not self._is_over():
            self._feed()
            ready = wait(pipes(self._hosts), timeout=self._chance.uniform(0.0, 0.02 * self._setup.pace))
            if ready or self._strike():
                heard = time.monotonic()
            self._listen()
            if time.monotonic() - heard > SILENCE_SECONDS_MAX:
                break
        stuck = not self._is_over()
        for host in self._hosts:
            host.end()
        return not stuck

    def _is_over(self) -> bool:
        open_events = self._again or any(host.unanswered for host in self._hosts)
        return self.kills.total() >= self._wanted and not open_events

    def _feed(self) -> None:
        for host in self._hosts:
            while host.ready and len(host.unanswered) < IN_FLIGHT and self._has_work():
                number = self._again.pop(0) if self._again else self._fresh()
                if not host.send(number, number % TALLIES, wait=self._chance.random() < 0.5):
                    self._again.append(number)
                    break

    def _has_work(self) -> bool:
        return bool(self._again) or self.kills.total() < self._wanted

    def _fresh(self) -> int:
        self._next += 1
        self.known[self._next - 1] = len(self.answered)
        return self._next - 1

    def _strike(self) -> bool:
        """Now and then a host that waits for no trap of its own is killed from outside."""
        victims = [host for host in self._hosts if host.unanswered and not host.point]
        if victims and self.kills.total() < self._wanted and self._chance.random() < 0.3:
            self._chance.choice(victims).kill()
            return True
        return False

    def _listen(self) -> None:
        for place, host in enumerate(self._hosts):
            try:
                self.answered += host.answers()
            except EOFError:
                self._hosts[place] = self._successor(host)

    def _successor(self, dead: Host) -> Host:
        self._stillborn = 0 if dead.ready else self._stillborn + 1
        if self._stillborn > STILLBORN_MAX:
            raise HostsDoNotLive(f"{self._stillborn} hosts in a row died before they were ready")
        if dead.unanswered:
            self.kills[dead.point or "at random"] += 1
        self._again += sorted(dead.unanswered)
        dead.bury()
        return self._new_host()

    def _new_host(self) -> Host:
        """Half of all lives end at the named point that was struck least, the others whenever the parent decides."""
        trapped = self.kills.total() < self._wanted and self._chance.random() < 0.5
        point = min(POINTS, key=lambda name: self.kills[name]) if trapped else ""
        return Host(self._setup, point, self._chance.randint(1, COUNTDOWN_MAX))


def run_kills(
    kills: int,
    *,
    seed: int = 0,
    hosts: int = 1,
    split: bool = False,
    folder: Path | None = None,
    database_url: str = "",
    database_schema: str = "aos",
    storage: str = "",
    storage_prefix: str = "",
) -> Report:
    """Kills `hosts` processes on one store until `kills` have struck with an event in flight, and judges the outcome.

    With `split`, commit, relay and settle are separate operations, as they are on Azure. With `database_url`, the store
    is that PostgreSQL database, in a schema that nobody else uses; with `storage`, it is that storage account, where
    the queue keeps no order, so none is judged.
    """
    prefix = storage_prefix or f"k{uuid4().hex[:20]}"
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="aos-kill-") as made:
            setup = Setup(Path(made), split, database_url, database_schema, storage, prefix)
            return _run(setup, kills, seed, hosts)
    return _run(Setup(folder, split, database_url, database_schema, storage, prefix), kills, seed, hosts)


def _run(setup: Setup, kills: int, seed: int, hosts: int) -> Report:
    campaign = Campaign(setup, kills, hosts, seed)
    finished = campaign.run()
    verdict = judge(setup, campaign.sent)
    failures = verdict.failures + ([] if finished else ["the hosts stopped answering"])
    if hosts == 1 and not setup.storage:  # between two doors, or in a queue, no order is promised
        failures += disorders(verdict.applied, campaign.answered, campaign.known)
    report = Report(
        faults=campaign.kills.total(),
        events=campaign.sent,
        lost=verdict.lost,
        applied_twice=verdict.applied_twice,
        stuck=verdict.stuck + (not finished),
        hash=sha256(repr(verdict.outcome).encode()).hexdigest()[:16],
        by_kind=dict(sorted(campaign.kills.items())),
        kills=campaign.kills.total(),
    )
    if failures:
        on = " --store azurite" if setup.storage else ""
        report["failures"] = [f"{failure}; again: aos faults --kill {kills} --first {seed}{on}" for failure in failures]
    return report
