"""Alerts over HTTP: what fires, by which rules, and silence."""

import msgspec
from fastapi import APIRouter, Request, Response

from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.bodies import read_json
from AgentOperatingSystem.api.door import TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import when
from AgentOperatingSystem.orchestration.alerts.desk import Alert, AlertDesk
from AgentOperatingSystem.orchestration.alerts.rules import MetricRule, Rule

router = APIRouter(prefix="/api/v1", tags=["alerts"])


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One subject of one rule, over its limit."""

    rule: str
    subject: str
    """The agent, or the host, with the value of the label that the rule parts."""
    severity: str
    value: float
    since: str | None
    """Since when it is over the limit."""
    begun: str | None
    """Since when it fires; null where it has not stood for long enough."""
    host: str
    """Who saw it first."""
    silenced_until: str | None
    says: str
    """What to do."""


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, and how it stands."""

    name: str
    about: str
    severity: str
    condition: str
    for_seconds: float
    says: str
    firing: int
    """How many subjects."""
    silenced_until: str | None
    reason: str


class SilenceIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how long nothing that begins is told; 0 ends it."""

    seconds: float
    reason: str = ""


class SilenceView(msgspec.Struct, frozen=True):
    """Until when a rule is silent; null where it is not."""

    rule: str
    silenced_until: str | None
    reason: str


@router.get("/alerts", **documented(page_of=AlertView))
async def list_alerts(door: TheDoor, pending: bool = False) -> Response:
    """What fires now, the gravest first; with `pending`, what has not stood for long enough too."""
    desk = door.aos.alerts
    return answer({"items": [_alert(desk, each) for each in await desk.firing(pending=pending)], "after": ""})


@router.get("/alerts/rules", **documented(page_of=RuleView))
async def list_rules(door: TheDoor) -> Response:
    """The rules that hold, and how each stands."""
    desk = door.aos.alerts
    firing, silences = [each.rule for each in await desk.firing()], await desk.silences()
    items = [
        _rule(rule, firing.count(rule.name), *silences.get(rule.name, (0.0, ""))) for rule in desk.rules.all.values()
    ]
    return answer({"items": items, "after": ""})


@router.post("/alerts/{rule}/silence", **documented(SilenceView, body=SilenceIn))
async def silence_rule(door: TheDoor, request: Request, rule: str) -> Response:
    """Tells nothing that begins of a rule for a while; what fires still is told then."""
    said = await read_json(request, SilenceIn, door)
    until = await door.aos.alerts.silence(rule, said.seconds, said.reason)
    return answer(SilenceView(rule, when(until if said.seconds else 0.0), said.reason))


def _alert(desk: AlertDesk, alert: Alert) -> AlertView:
    standing, rule = alert.standing, desk.rules.all.get(alert.rule)
    return AlertView(
        rule=alert.rule,
        subject=alert.subject,
        severity=standing.severity,
        value=standing.value,
        since=when(standing.since),
        begun=when(standing.begun_at),
        host=standing.host,
        silenced_until=when(alert.silenced_until),
        says=rule.says if rule is not None else "",
    )


def _rule(rule: Rule, firing: int, silenced_until: float, reason: str) -> RuleView:
    return RuleView(
        name=rule.name,
        about=rule.metric if isinstance(rule, MetricRule) else rule.watch,
        severity=rule.severity,
        condition=_condition(rule),
        for_seconds=rule.for_seconds,
        says=rule.says,
        firing=firing,
        silenced_until=when(silenced_until),
        reason=reason,
    )


def _condition(rule: Rule) -> str:
    """In words, such as `rate > 1`."""
    if not isinstance(rule, MetricRule):
        return f"> {rule.above:g}"
    of = f"quantile {rule.quantile:g}" if rule.of == "quantile" else rule.of
    return f"{of} > {rule.above:g}" if rule.above is not None else f"{of} < {rule.below:g}"
