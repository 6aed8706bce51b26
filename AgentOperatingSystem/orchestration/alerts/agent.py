"""The agent `aos.alerts`: takes what the hosts have found into its book, and publishes what begins and what ends.

An ordinary agent of the system, so one writer whatever the number of hosts: what two of them found at once begins once.
The publications, on the topic of the same name, leave after the commit; where a webhook is named, a second agent posts
them, as `notifying` does for questions to people.
"""

from typing import Any, Final, Protocol

import msgspec

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.orchestration.alerts.book import Book, Report, Told, decide
from AgentOperatingSystem.orchestration.notifying import Notifier
from AgentOperatingSystem.orchestration.registry import Registry

ALERTS: Final = "aos.alerts"
"""The agent, and the topic of what it publishes."""
REPORT: Final = "aos.alerts.report"
ALERT_NOTIFIER: Final = "aos.alert_notifier"
SILENCE: Final = "silence/"
"""How the agent's memory rows begin that say until when a rule is silent."""


class Alerts(BaseAgent):
    """Knows what fires, for all hosts together."""

    name = ALERTS
    state_type = Book

    async def on_event(self, event: Event, context: Context) -> Any:
        report = _read(event)
        silenced = await context.recall_prefix(SILENCE, limit=1000)
        until = {name.removeprefix(SILENCE): silence["until"] for name, silence in silenced.items()}
        self.state, told = decide(self.state, report, until)
        for each in told:
            await context.publish(ALERTS, said(each, report), type=f"aos.alert.{each.what}", subject=each.rule)
        return {"begun": sum(each.what == "begun" for each in told), "told": len(told)}


class AlertNotifier(Notifier):
    """Posts each publication about alerts."""

    name = ALERT_NOTIFIER
    subscriptions = (ALERTS,)


class Parts(Protocol):
    """A system as it is composed."""

    config: AOSConfig
    registry: Registry


def keep_alerts(system: Parts) -> None:
    """Has a system keep alerts, and post them where a webhook is configured."""
    system.registry.register_system(Alerts)
    if url := system.config.alerts_webhook_url:
        named = {"name": ALERT_NOTIFIER, "url": str(url)}
        system.registry.register_system(type("AlertNotifier", (AlertNotifier,), named))


def said(told: Told, report: Report) -> dict[str, Any]:
    """What is published of an alert."""
    standing = told.standing
    return {
        "rule": told.rule,
        "subject": told.subject,
        "severity": standing.severity,
        "value": standing.value,
        "since": iso(standing.since),
        "begun": iso(standing.begun_at),
        "host": standing.host,
        "at": iso(report.at),
    }


def _read(event: Event) -> Report:
    if event.type != REPORT:
        raise InvalidInput(f"{event.type}: {ALERTS} takes {REPORT}")
    try:
        return msgspec.convert(event.data, Report)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{event.type}: {error}") from None
