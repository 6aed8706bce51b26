"""All entities by their address, and the composition of each from its parts.

Made from `settings` by `server`; asked by `front` for the node behind an address, and told by `admin` what is made,
changed and taken away while it runs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import Error
from AgentOperatingSystem.hosting.servicebus_emulator.broker.intake import Intake, Sequence
from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import HOPS_MAX, Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, World
from AgentOperatingSystem.hosting.servicebus_emulator.broker.sessions import Sessions
from AgentOperatingSystem.hosting.servicebus_emulator.broker.topics import Subscribed, Topic, compiled
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    EntityExists,
    EntityNotFound,
    InvalidRequest,
    NotAllowed,
)
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    AccessKey,
    Holding,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)

DEAD_LETTERS = "/$deadletterqueue"
_SUBSCRIPTIONS = "/subscriptions/"
EntitySettings = QueueSettings | TopicSettings | SubscriptionSettings


class Guest(Protocol):
    """A link that is attached to an entity."""

    def expel(self, error: Error) -> None:
        """The entity is gone or closed."""
        ...


@dataclass(slots=True)
class Node:
    """What stands at an address: something to send to, something to receive from, or both.

    `settings` is None for a dead-letter queue, which is its queue's.
    """

    path: str
    settings: EntitySettings | None = None
    intake: Intake | None = None
    queue: Queue | None = None
    sessions: Sessions | None = None
    topic: Topic | None = None
    created_ms: int = 0
    updated_ms: int = 0
    guests: "WeakSet[Guest]" = field(default_factory=WeakSet)

    def check(self, envelope: Envelope) -> None:
        """Raises `ServiceBusRefusal` for a message that this entity does not take."""
        queue = self.queue
        if queue is None or queue.holding.forward_to is not None:
            return
        if queue.holding.requires_session and envelope.session_id is None:
            raise NotAllowed(f"{self.path} has sessions, and the message has no SessionId")
        queue.shelf.check_room(envelope.size_bytes)


class Namespace:
    """The broker."""

    def __init__(self, settings: NamespaceSettings, world: World) -> None:
        self._world = world
        self._nodes: dict[str, Node] = {}
        self.sequences: dict[str, Sequence] = {}  # of topics, by path
        self.created_ms = world.now_ms()
        world.forward = self._forward
        for queue in settings.queues:
            self.add_queue(queue)
        for topic in settings.topics:
            self.add_topic(topic)
        self._check_forwarding()

    def node(self, address: str) -> Node:
        """The node at a path, in any case. Raises `EntityNotFound`."""
        found = self.find(address)
        if found is None:
            raise EntityNotFound(f"there is no entity {address.strip('/')!r}")
        return found

    def find(self, address: str) -> Node | None:
        """The node at a path, in any case, or None."""
        return self._nodes.get(address.strip("/").lower())

    def nodes(self) -> Iterator[Node]:
        """All of them, dead-letter queues too, in the order of their making."""
        return iter(self._nodes.values())

    def keys_of(self, path: str) -> tuple[AccessKey, ...]:
        """The shared keys of the queue or topic that an address belongs to."""
        place = path.strip("/").lower()
        while place:
            node = self._nodes.get(place)
            if node is not None and isinstance(node.settings, QueueSettings | TopicSettings):
                return node.settings.about.keys
            place = place.rpartition("/")[0]
        return ()

    # Making

    def add_queue(self, settings: QueueSettings) -> Node:
        """Raises `EntityExists`."""
        node = self._add_holding(settings.name, settings.holding)
        assert node.queue is not None
        node.intake = Intake(node.path, settings.entrance, self._world, node.queue.sequence, node.queue.arrive)
        return self._dated(node, settings)

    def add_topic(self, settings: TopicSettings) -> Node:
        """With its subscriptions. Raises `EntityExists`, and `InvalidRequest` for a rule that cannot be."""
        path = self._free_path(settings.name)
        sequence = self.sequences[path] = Sequence(path, self._world)
        topic = Topic(settings)
        intake = Intake(path, settings.entrance, self._world, sequence, topic.arrive)
        node = self._nodes[path] = Node(path, None, intake, topic=topic)
        self._dated(node, settings)
        for each in settings.subscriptions:
            self.add_subscription(node, each)
        return node

    def add_subscription(self, parent: Node, settings: SubscriptionSettings) -> Node:
        """To a topic. Raises `EntityExists`, and `InvalidRequest` for a rule that cannot be."""
        topic = topic_of(parent)
        path = f"{parent.path}{_SUBSCRIPTIONS}{settings.name}"
        copies = compiled(f"{topic.settings.name}/Subscriptions/{settings.name}", settings.rules)
        node = self._add_holding(path, topic.holding(settings))
        assert node.queue is not None
        topic.subscribed[node.path] = Subscribed(node.queue, copies)
        return self._dated(node, settings)

    def _dated(self, node: Node, settings: EntitySettings) -> Node:
        node.settings = settings
        node.created_ms = node.updated_ms = self._world.now_ms()
        return node

    def _add_holding(self, name: str, holding: Holding) -> Node:
        path = self._free_path(name)
        buried = Holding(lock_seconds=holding.lock_seconds)
        dead_letters = Queue(path + DEAD_LETTERS, buried, self._world, None)
        queue = Queue(path, holding, self._world, dead_letters)
        node = Node(path, None, None, queue)
        if holding.requires_session:
            node.sessions = _with_sessions(queue, self._world)
        self._nodes[path] = node
        self._nodes[dead_letters.path] = Node(dead_letters.path, None, None, dead_letters)
        return node

    def _free_path(self, name: str) -> str:
        path = name.strip("/").lower()
        if path in self._nodes:
            raise EntityExists(f"there is an entity with the name {name!r} already")
        return path

    # Changing

    def change(self, node: Node, settings: EntitySettings) -> None:
        """What can be changed of an entity that runs; whether it has sessions cannot."""
        node.updated_ms = self._world.now_ms()
        if isinstance(settings, SubscriptionSettings):
            return self._change_subscription(node, settings)
        node.settings = settings
        if node.intake is not None:
            node.intake.settings = settings.entrance
        if node.queue is not None and isinstance(settings, QueueSettings):
            node.queue.change(settings.holding)
        if node.topic is not None and isinstance(settings, TopicSettings):
            node.topic.settings = settings
            for path in node.topic.subscribed:
                each = self._nodes[path]
                if each.queue is not None and isinstance(each.settings, SubscriptionSettings):
                    each.queue.change(node.topic.holding(each.settings))

    def _change_subscription(self, node: Node, settings: SubscriptionSettings) -> None:
        topic = topic_of(self.parent(node))
        copies = compiled(node.path, settings.rules)
        node.settings = settings
        if node.queue is not None:
            node.queue.change(topic.holding(settings))
            topic.subscribed[node.path].copies = copies

    def parent(self, node: Node) -> Node:
        """The topic of a subscription. Raises `EntityNotFound`."""
        return self.node(node.path.rpartition(_SUBSCRIPTIONS)[0])

    def remove(self, node: Node) -> None:
        """Takes an entity away with all that is in it; whoever is attached to it is told so."""
        if node.topic is not None:
            for path in list(node.topic.subscribed):
                self.remove(self._nodes[path])
            self.sequences.pop(node.path, None)
        elif isinstance(node.settings, SubscriptionSettings):
            topic_of(self.parent(node)).subscribed.pop(node.path, None)
        buried = self._nodes.get(node.path + DEAD_LETTERS) if node.queue is not None else None
        for each in (node, buried):
            if each is not None:
                self._clear(each)

    def _clear(self, node: Node) -> None:
        del self._nodes[node.path]
        for guest in list(node.guests):
            guest.expel(EntityNotFound(f"the entity {node.path!r} was deleted").error())
        for kind in ("queue", "sessions", "schedule"):
            self._world.timers.forget((node.path, kind))
        self._world.journal.forget(node.path)

    # Forwarding

    def _forward(self, name: str, envelope: Envelope, hops: int) -> None:
        """A message that one entity hands to the next; one that is handed on too often ends there."""
        node = self.node(name)
        if node.intake is None:
            raise EntityNotFound(f"nothing can be sent to {name!r}")
        if hops > HOPS_MAX and node.queue is not None:
            return self._bury(node.queue, envelope)
        node.intake.send([envelope], lambda each: None, hops)

    def _bury(self, queue: Queue, envelope: Envelope) -> None:
        if queue.dead_letters is not None:
            text = {"DeadLetterReason": "MaxTransferHopCountExceeded"}
            queue.dead_letters.arrive(envelope.with_application(text), 0)

    def _check_forwarding(self) -> None:
        for node in self.nodes():
            holding = node.queue.holding if node.queue else Holding()
            for name in (holding.forward_to, holding.forward_dead_letters_to):
                if name is not None and (name.lower() == node.path or self.node(name).intake is None):
                    raise InvalidRequest(f"{node.path} cannot forward to {name!r}")


def topic_of(node: Node) -> Topic:
    """Raises `EntityNotFound` where the node is no topic."""
    if node.topic is None:
        raise EntityNotFound(f"{node.path!r} is no topic")
    return node.topic


def _with_sessions(queue: Queue, world: World) -> Sessions:
    sessions = Sessions(queue, world)

    def idle(lane: Lane) -> None:
        if lane.holder is None:
            sessions.noticed(lane.id)

    queue.on_idle = idle
    return sessions
