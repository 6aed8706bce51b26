"""The desk of alerts: looks, with each host's eyes, and tells what fires; silences rules.

    rules → metrics of this process, and the store → would the book change? → an event for `aos.alerts`

Asked by the doors, by a chore of each host that takes turns itself, and by the pulse of Azure Functions.
"""

import logging
import os
import socket
from typing import Any, Final, NamedTuple

import msgspec

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.messaging.ports import Broker
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.observability.registry import Registry
from AgentOperatingSystem.observability.resources import sample_resources
from AgentOperatingSystem.orchestration.alerts.agent import ALERTS, REPORT, SILENCE
from AgentOperatingSystem.orchestration.alerts.book import Book, Checked, Report, Standing, decide
from AgentOperatingSystem.orchestration.alerts.meters import Meters
from AgentOperatingSystem.orchestration.alerts.rules import MetricRule, Rule, Rules
from AgentOperatingSystem.orchestration.alerts.watching import Look
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts

SUBJECTS_MAX: Final = 100
"""Of one rule; the rest is one more subject, whose value is how many there are."""
OTHERS: Final = "(others)"
SILENCE_SECONDS_MAX: Final = 30 * 86_400.0
_log = logging.getLogger(__name__)


class Alert(NamedTuple):
    """What fires, or is about to."""

    rule: str
    subject: str
    standing: Standing
    silenced_until: float


class AlertDesk:
    """The alerts of one system, as this host sees them. Raises `ConfigurationError` where the rules are wrong."""

    def __init__(
        self,
        parts: Parts,
        mailroom: Mailroom,
        bus: Broker,
        config: AOSConfig,
        *,
        host: str = "",
        registry: Registry = metrics.registry,
    ) -> None:
        """`host` is what this process is called in alerts about itself: the machine's name and the process's number."""
        self.rules = Rules.of(config.alerts_file)
        self.host = host or f"{socket.gethostname()}/{os.getpid()}"
        self._parts = parts
        self._mailroom = mailroom
        self._bus = bus
        self._agent = AgentId(ALERTS, tenant=config.tenant)
        self._meters = Meters(registry)

    async def look(self) -> bool:
        """Looks once, and says whether there was something new to report. Raises `StoreUnavailable`."""
        now = self._parts.clock.now()
        sample_resources(self._bus.pending())
        book, silenced = await self._read()
        looks = Look(self._parts, self._agent.tenant, now)
        checked = [self._measured(rule, book, now) for rule in self.rules.metrics]
        for rule in self.rules.store:
            values, is_complete = await looks.over(rule)
            known = book.standing.get(rule.name, {})
            checked.append(_checked(rule, _bounded(values, known), is_local=False, is_complete=is_complete))
        report = Report(host=self.host, at=now, checked=tuple(checked))
        after, told = decide(book, report, {rule: until for rule, (until, _) in silenced.items()})
        self._count(after)
        if after == book and not told:
            return False
        await self._mailroom.accept(self._event(report))
        return True

    async def look_forever(self) -> None:
        """Looks every so often, whatever happens; the chore of a host."""
        while True:
            await self._parts.clock.sleep(self.rules.every_seconds)
            try:
                await self.look()
            except Exception:
                _log.exception("alerts cannot be looked after; trying again in %g s", self.rules.every_seconds)

    async def firing(self, *, pending: bool = False) -> list[Alert]:
        """What fires now, the gravest first, then by rule and subject; with `pending`, what does not stand for long
        enough too.
        """
        book, silenced = await self._read()
        found = [
            Alert(rule, subject, standing, silenced.get(rule, (0.0, ""))[0])
            for rule, subjects in book.standing.items()
            for subject, standing in subjects.items()
            if standing.begun_at or pending
        ]
        grave = ("critical", "warning", "info")
        return sorted(found, key=lambda each: (grave.index(each.standing.severity), each.rule, each.subject))

    async def silences(self) -> dict[str, tuple[float, str]]:
        """Until when each silent rule is silent, and why."""
        return (await self._read())[1]

    async def silence(self, rule: str, seconds: float, reason: str = "") -> float:
        """Nothing that begins of this rule is told for so long; 0 ends it. What fires still is told then. Answers until
        when, in UTC seconds. Raises `NotFound`, `InvalidInput`.
        """
        name = self.rules.get(rule).name
        if not 0.0 <= seconds <= SILENCE_SECONDS_MAX:
            raise InvalidInput(f"silence {name} for {seconds:g} s: use 0 to {SILENCE_SECONDS_MAX:.0f} s (30 days)")
        until = self._parts.clock.now() + seconds
        value = {"until": until, "reason": reason} if seconds else None
        await self._server().remember_all({f"{SILENCE}{name}": value})
        return until

    # --- inside -------------------------------------------------------------------------------------------------

    async def _read(self) -> tuple[Book, dict[str, tuple[float, str]]]:
        server, now = self._server(), self._parts.clock.now()
        state = await server.load_state()
        kept = await server.recall_prefix(SILENCE, limit=1000)
        silenced = {name.removeprefix(SILENCE): (each["until"], each["reason"]) for name, each in kept.items()}
        book = msgspec.convert(state, Book) if state else Book()
        return book, {rule: each for rule, each in silenced.items() if each[0] > now}

    def _server(self) -> ContextMCPServer:
        parts = self._parts
        return ContextMCPServer(self._agent, parts.store, parts.blobs, parts.clock, parts.inline_bytes_max)

    def _measured(self, rule: MetricRule, book: Book, now: float) -> Checked:
        values = self._meters.over(rule, now)
        named = {f"{self.host} {name}".strip(): value for name, value in values.items()}
        return _checked(rule, _bounded(named, book.standing.get(rule.name, {})), is_local=True)

    def _event(self, report: Report) -> Event:
        data: Any = msgspec.to_builtins(report)
        return Event(
            id=f"{self.host}-{report.at:.6f}",
            source="/alerts",
            type=REPORT,
            agent=self._agent,
            tenant=self._agent.tenant,
            data=data,
        )

    def _count(self, book: Book) -> None:
        """How many alerts fire, by rule: as many series as there are rules."""
        for rule in self.rules.all.values():
            subjects = book.standing.get(rule.name, {}).values()
            count = sum(bool(each.begun_at) for each in subjects)
            metrics.gauge("aos.alerts.firing", count, rule=rule.name, severity=rule.severity)


def _checked(rule: Rule, found: dict[str, float], *, is_local: bool, is_complete: bool = True) -> Checked:
    return Checked(
        rule=rule.name,
        severity=rule.severity,
        for_seconds=rule.for_seconds,
        is_local=is_local,
        is_complete=is_complete,
        found=found,
    )


def _bounded(values: dict[str, float], known: dict[str, Standing]) -> dict[str, float]:
    """At most `SUBJECTS_MAX` subjects, those that stand already first, and one for the others."""
    if len(values) <= SUBJECTS_MAX:
        return values
    names = sorted(values, key=lambda name: (name not in known, name))[:SUBJECTS_MAX]
    return {name: values[name] for name in names} | {OTHERS: float(len(values) - SUBJECTS_MAX)}
