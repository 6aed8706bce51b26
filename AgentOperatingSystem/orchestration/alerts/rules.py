"""Rules for alerts: what is shipped, and the file that the setting `alerts_file` names.

Read once by the desk, when the system starts. A rule is about a metric of each host by itself, or about what lies in
the store, which all hosts see alike.
"""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, NotFound
from AgentOperatingSystem.ml.catalogue import load_table

FILE: Final = "shipped.json"
RULES_MAX: Final = 100
DAY_SECONDS: Final = 86_400.0
Severity: TypeAlias = Literal["info", "warning", "critical"]
Watched: TypeAlias = Literal["quarantined", "in_doubt", "approvals", "budget", "mailbox", "silence"]
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class MetricRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A metric of this process that is above or below a limit."""

    name: str
    metric: str
    """As `/metrics` has it; dots are underscores."""
    of: Literal["rate", "gauge", "quantile"]
    """A counter's growth in one second, a gauge's value, or a quantile of a histogram."""
    quantile: float = 0.95
    labels: dict[str, str] = {}
    """Only series that have these."""
    per: str = ""
    """A label whose values are looked at one by one; all series together where it is empty."""
    window_seconds: float = 300.0
    """Over how long a rate or a quantile is taken."""
    above: float | None = None
    below: float | None = None
    for_seconds: float = 0.0
    """How long it must hold before the alert begins, and be over before it ends."""
    severity: Severity = "warning"
    says: str = ""
    """What to do about it."""


class StoreRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies in the store, agent by agent, that is above a limit."""

    name: str
    watch: Watched
    """`quarantined`, `in_doubt`: so many events. `approvals`: the oldest waits for a person so many seconds. `budget`:
    so many events wait for a limit. `mailbox`: so many events are parked. `silence`: so many seconds since the agent
    was last awake.
    """
    above: float = 0.0
    agent: str = ""
    """Only addresses that begin so; `silence` needs it, because most agents are idle by right."""
    for_seconds: float = 0.0
    severity: Severity = "warning"
    says: str = ""


Rule: TypeAlias = MetricRule | StoreRule


class RuleFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the setting `alerts_file` names."""

    every_seconds: float = 60.0
    """How often each host looks. On Azure Functions the pulse says it."""
    shipped: bool = False
    """Whether the shipped rules hold too, but for those of the same names."""
    metrics: tuple[MetricRule, ...] = ()
    store: tuple[StoreRule, ...] = ()


class Rules:
    """The rules of one system, by name."""

    def __init__(self, file: RuleFile) -> None:
        self.every_seconds = file.every_seconds
        self.metrics = file.metrics
        self.store = file.store
        rules: list[Rule] = [*file.store, *file.metrics]
        self.all = {rule.name: rule for rule in rules}

    @classmethod
    def of(cls, path: Path | None) -> "Rules":
        """What the file says, or what is shipped. Raises `ConfigurationError`, one line with the place."""
        shipped = msgspec.json.decode(files(__package__).joinpath(FILE).read_bytes(), type=RuleFile)
        if path is None:
            return cls(shipped)
        try:
            given: RuleFile = load_table(path, RuleFile)
        except ConfigurationError as error:
            raise ConfigurationError(f"alerts_file {path}: {str(error).removeprefix(f'{path}: ')}") from None
        if fault := _fault(given):
            raise ConfigurationError(f"alerts_file {path}: {fault}")
        return cls(_laid_over(given, shipped) if given.shipped else given)

    def get(self, name: str) -> Rule:
        """The rule of this name. Raises `NotFound`."""
        if name not in self.all:
            raise NotFound(f"there is no alert rule {name[:80]!r}; there are {', '.join(self.all) or 'none'}")
        return self.all[name]


def _laid_over(given: RuleFile, shipped: RuleFile) -> RuleFile:
    own = Rules(given).all
    return msgspec.structs.replace(
        given,
        metrics=(*given.metrics, *(rule for rule in shipped.metrics if rule.name not in own)),
        store=(*given.store, *(rule for rule in shipped.store if rule.name not in own)),
    )


def _fault(file: RuleFile) -> str:
    """What is wrong, with its place; empty where nothing is."""
    if not 1.0 <= file.every_seconds <= DAY_SECONDS:
        return "use 1 to 86400 - at `$.every_seconds`"
    if len(file.metrics) + len(file.store) > RULES_MAX:
        return f"more than {RULES_MAX} rules - at `$`"
    seen: set[str] = set()
    placed: list[tuple[str, Rule]] = [(f"$.metrics[{at}]", rule) for at, rule in enumerate(file.metrics)]
    placed += [(f"$.store[{at}]", rule) for at, rule in enumerate(file.store)]
    for place, rule in placed:
        if wrong := _wrong(rule, seen):
            return f"{wrong} - at `{place}`"
        seen.add(rule.name)
    return ""


def _wrong(rule: Rule, seen: set[str]) -> str:
    if not _NAME.fullmatch(rule.name):
        return f"name {rule.name[:80]!r}: use small letters, digits and '_', at most 64"
    if rule.name in seen:
        return f"there are two rules {rule.name!r}"
    if not 0.0 <= rule.for_seconds <= DAY_SECONDS:
        return "for_seconds: use 0 to 86400"
    if isinstance(rule, StoreRule):
        silent = rule.watch == "silence" and not rule.agent
        return "silence is watched of agents that are named: give the beginning of their addresses" if silent else ""
    if (rule.above is None) == (rule.below is None):
        return "give either above or below"
    if not 0.0 < rule.quantile < 1.0:
        return "quantile: use a number between 0 and 1"
    return "" if 1.0 <= rule.window_seconds <= DAY_SECONDS else "window_seconds: use 1 to 86400"
