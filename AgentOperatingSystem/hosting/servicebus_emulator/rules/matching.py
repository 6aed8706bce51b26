"""A subscription's rules, compiled; asked by `broker.topic` for each publication.

Microsoft Learn, "Topic filters and actions": every rule with an action that matches makes a copy of its own; the rules
without action make one together.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.rules import sql, values
from AgentOperatingSystem.hosting.servicebus_emulator.settings import CorrelationFilter, RuleSettings, SqlFilter

Matcher = Callable[[Envelope], Iterator[Envelope]]


def matcher(rules: tuple[RuleSettings, ...]) -> Matcher:
    """The copies that a subscription with these rules gets of a message. Raises `InvalidRequest` for broken SQL."""
    compiled = [(_condition(rule.filter), _action(rule)) for rule in rules]

    def copies(envelope: Envelope) -> Iterator[Envelope]:
        matching = [change for condition, change in compiled if condition(envelope)]
        if None in matching:
            yield envelope
        for change in matching:
            if change is not None:
                yield change(envelope)

    return copies


def _action(rule: RuleSettings) -> sql.Change | None:
    return sql.action(rule.action, rule.parameters) if rule.action else None


def _condition(filter: CorrelationFilter | SqlFilter) -> Callable[[Envelope], bool]:
    if isinstance(filter, SqlFilter):
        return sql.condition(filter.expression, filter.parameters)
    return lambda envelope: _correlates(filter, envelope)


def _correlates(filter: CorrelationFilter, envelope: Envelope) -> bool:
    system = all(_same(envelope.standard(name), value) for name, value in filter.system.items())
    return system and all(_same(envelope.application.get(name), value) for name, value in filter.application.items())


def _same(found: object, given: object) -> bool:
    wanted = values.wire(given)
    if isinstance(found, UUID):
        return str(found) == str(wanted)
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)
