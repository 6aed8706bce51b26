"""A topic: what comes in is copied to each subscription whose rules it meets.

Made by `namespace`; fed by `Intake`. Each subscription is a queue of its own; its rules can change while it runs.
"""

from dataclasses import dataclass, field, replace

from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import Queue
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.rules.matching import Matcher, matcher
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Holding,
    RuleSettings,
    SubscriptionSettings,
    TopicSettings,
)


@dataclass(slots=True)
class Subscribed:
    """One subscription of a topic."""

    queue: Queue
    copies: Matcher


@dataclass(slots=True)
class Topic:
    """The subscriptions by the path of their queue, in the order of their making."""

    settings: TopicSettings
    subscribed: dict[str, Subscribed] = field(default_factory=dict)

    def arrive(self, envelope: Envelope, hops: int) -> None:
        """A publication; see `intake.Arrive`."""
        for each in list(self.subscribed.values()):
            for copy in each.copies(envelope):
                each.queue.arrive(copy, hops)

    def holding(self, settings: SubscriptionSettings) -> Holding:
        """What a subscription keeps: nothing lives longer than the topic says."""
        seconds = min(settings.holding.time_to_live_seconds, self.settings.time_to_live_seconds)
        return replace(settings.holding, time_to_live_seconds=seconds)


def compiled(path: str, rules: tuple[RuleSettings, ...]) -> Matcher:
    """The rules of the subscription at this path. Raises `InvalidRequest`, which names it."""
    try:
        return matcher(rules)
    except InvalidRequest as error:
        raise InvalidRequest(f"a rule of {path}: {error}") from None
