"""The queues and topics that a system needs of Service Bus, with the bounds that docs/functions.md asks for."""

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Entrance,
    Holding,
    Limits,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)

LOG = "aos-log"
"""The subscription that keeps publications for `/api/v1/publications`, where the configuration names none."""
DAY_SECONDS = 86_400.0
KEPT_SECONDS = 14 * DAY_SECONDS
LOG_SECONDS = 2 * DAY_SECONDS
WINDOW_SECONDS = 600.0
LOCK_SECONDS = 60.0
DELIVERIES_MAX = 100


def namespace(
    config: AOSConfig,
    *,
    lock_seconds: float = LOCK_SECONDS,
    window_seconds: float = WINDOW_SECONDS,
    more: tuple[str, ...] = (),
) -> NamespaceSettings:
    """The session queue with duplicate detection, and the topic with the router's and the log's subscriptions.

    `more` names further subscriptions of the topic.
    """
    plain = Holding(
        lock_seconds=lock_seconds,
        max_delivery_count=DELIVERIES_MAX,
        time_to_live_seconds=KEPT_SECONDS,
        dead_letter_on_expiry=True,
    )
    mailbox = Holding(
        requires_session=True,
        lock_seconds=lock_seconds,
        max_delivery_count=DELIVERIES_MAX,
        time_to_live_seconds=KEPT_SECONDS,
        dead_letter_on_expiry=True,
    )
    log = SubscriptionSettings(
        name=config.servicebus_log_subscription or LOG, holding=Holding(time_to_live_seconds=LOG_SECONDS)
    )
    named = (config.servicebus_router_subscription, *more)
    topic = TopicSettings(
        name=config.servicebus_topic,
        time_to_live_seconds=KEPT_SECONDS,
        entrance=Entrance(duplicate_window_seconds=window_seconds),
        subscriptions=(*(SubscriptionSettings(name=name, holding=plain) for name in named), log),
    )
    queue = QueueSettings(
        name=config.servicebus_queue, holding=mailbox, entrance=Entrance(duplicate_window_seconds=window_seconds)
    )
    return NamespaceSettings(queues=(queue,), topics=(topic,), limits=Limits())
