"""What is declared of queues, topics, subscriptions and rules; the numbers are the official emulator's defaults.

Made by `config_file`, or in code by whoever tests; read by `broker`.
"""

from dataclasses import dataclass, field
from typing import Any

MAX_TIME_TO_LIVE_SECONDS = 3600.0
ALL_RIGHTS = frozenset({"Manage", "Send", "Listen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A shared key, and what whoever has it may do. `Manage` alone lets the entities themselves be changed."""

    name: str
    key: str
    rights: frozenset[str] = ALL_RIGHTS
    secondary: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What administration says of an entity beside what the broker acts on."""

    told: dict[str, str] = field(default_factory=dict)  # elements of the description, repeated as they were given
    keys: tuple[AccessKey, ...] = ()
    status: str = "Active"  # or Disabled, SendDisabled, ReceiveDisabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a queue and a subscription have in common."""

    lock_seconds: float = 60.0
    time_to_live_seconds: float = MAX_TIME_TO_LIVE_SECONDS  # for a message that says nothing; and the most for one
    max_delivery_count: int = 3
    requires_session: bool = False
    dead_letter_on_expiry: bool = False
    forward_to: str | None = None
    forward_dead_letters_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """What a queue and a topic have in common."""

    duplicate_window_seconds: float | None = None  # None: no duplicate detection


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """A queue."""

    name: str
    holding: Holding = field(default_factory=Holding)
    entrance: Entrance = field(default_factory=Entrance)
    about: About = field(default_factory=About)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationFilter:
    """Equal in every property that is named; `system` by the names of `envelope.PROPERTY_NAMES`."""

    system: dict[str, str] = field(default_factory=dict)
    application: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlFilter:
    """An SQL condition; `parameters` are the values of its `@names`."""

    expression: str
    kind: str = "SqlFilter"  # or TrueFilter, FalseFilter: how administration calls the two plainest ones
    parameters: dict[str, Any] = field(default_factory=dict)


EVERYTHING = SqlFilter(expression="1=1", kind="TrueFilter")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """Which messages a subscription gets, and what is changed in its copy."""

    name: str = "$Default"
    filter: CorrelationFilter | SqlFilter = field(default_factory=lambda: EVERYTHING)
    action: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)  # of the action


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSettings:
    """A subscription; one without rules gets everything."""

    name: str
    holding: Holding = field(default_factory=Holding)
    rules: tuple[RuleSettings, ...] = (RuleSettings(),)
    about: About = field(default_factory=About)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSettings:
    """A topic."""

    name: str
    time_to_live_seconds: float = MAX_TIME_TO_LIVE_SECONDS
    entrance: Entrance = field(default_factory=Entrance)
    subscriptions: tuple[SubscriptionSettings, ...] = ()
    about: About = field(default_factory=About)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where the broker says no. The vendor's: 256 KB in the standard tier, more in the premium one."""

    message_bytes: int = 262_144
    properties_bytes: int = 65_536
    session_state_bytes: int = 262_144
    entity_bytes: int = 104_857_600


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceSettings:
    """Everything."""

    queues: tuple[QueueSettings, ...] = ()
    topics: tuple[TopicSettings, ...] = ()
    limits: Limits = field(default_factory=Limits)
