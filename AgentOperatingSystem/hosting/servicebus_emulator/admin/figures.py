"""How many messages are where: the runtime properties of entities."""

from AgentOperatingSystem.hosting.servicebus_emulator.admin import xml
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Node
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import State
from AgentOperatingSystem.hosting.servicebus_emulator.broker.topics import Topic
from AgentOperatingSystem.hosting.servicebus_emulator.settings import CorrelationFilter, SqlFilter, SubscriptionSettings

_DETAILS = ("Active", "DeadLetter", "Scheduled", "TransferDeadLetter", "Transfer")


def written(node: Node, filters: list[CorrelationFilter | SqlFilter]) -> str:
    """What is read beside a description; `filters` are those of a topic's subscriptions."""
    counts = _counts(node)
    details = "".join(
        xml.leaf(f"d2p1:{name}MessageCount", count, xmlns_d2p1=xml.COUNTS)
        for name, count in zip(_DETAILS, counts, strict=True)
    )
    moments = {"CreatedAt": node.created_ms, "UpdatedAt": node.updated_ms, "AccessedAt": node.updated_ms}
    figures = xml.leaves({name: xml.moment(at) for name, at in moments.items()}) + xml.tag("CountDetails", details)
    if node.topic is not None:
        return figures + _of_topic(node, node.topic, filters)
    size = {} if isinstance(node.settings, SubscriptionSettings) else {"SizeInBytes": _bytes(node)}
    return figures + xml.leaves({**size, "MessageCount": sum(counts)})


def _counts(node: Node) -> tuple[int, int, int, int, int]:
    """Active, dead letters, scheduled; nothing is ever on its way, forwarding is at once. Deferred ones count as
    neither, as at the vendor's."""
    scheduled = len(node.intake.scheduled) if node.intake is not None else 0
    if node.queue is None:
        return 0, 0, scheduled, 0, 0
    active = sum(each.state is State.ACTIVE for each in node.queue.shelf.messages.values())
    buried = node.queue.dead_letters
    return active, len(buried.shelf.messages) if buried is not None else 0, scheduled, 0, 0


def _bytes(node: Node) -> int:
    return node.queue.shelf.bytes if node.queue is not None else 0


def _of_topic(node: Node, topic: Topic, filters: list[CorrelationFilter | SqlFilter]) -> str:
    sql = sum(isinstance(each, SqlFilter) for each in filters)
    size = sum(each.queue.shelf.bytes for each in topic.subscribed.values())
    return xml.leaves(
        {
            "SizeInBytes": size,
            "SubscriptionCount": len(topic.subscribed),
            "SqlFilterCount": sql,
            "CorrelationFilterCount": len(filters) - sql,
        }
    )
