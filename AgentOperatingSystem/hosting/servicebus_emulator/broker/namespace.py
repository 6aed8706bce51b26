"""All entities by their address, and the composition of each from its parts.

Made from `settings` by `server`; asked by `front` for the node behind an address.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from AgentOperatingSystem.hosting.servicebus_emulator.broker.intake import Intake, Sequence
from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import HOPS_MAX, Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, Message, State, World
from AgentOperatingSystem.hosting.servicebus_emulator.broker.sessions import Sessions
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import EntityNotFound, InvalidRequest, NotAllowed
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import Envelope
from AgentOperatingSystem.hosting.servicebus_emulator.rules.matching import Matcher, matcher
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    Holding,
    NamespaceSettings,
    QueueSettings,
    SubscriptionSettings,
    TopicSettings,
)

DEAD_LETTERS = "/$deadletterqueue"


@dataclass(slots=True)
class Node:
    """What stands at an address: something to send to, something to receive from, or both."""

    path: str
    intake: Intake | None = None
    queue: Queue | None = None
    sessions: Sessions | None = None

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
        self._topic_sequences: dict[str, Sequence] = {}
        world.forward = self._forward
        for queue in settings.queues:
            self._add_queue(queue)
        for topic in settings.topics:
            self._add_topic(topic)
        self._check_forwarding()

    def node(self, address: str) -> Node:
        """The node at a path, in any case. Raises `EntityNotFound`."""
        found = self._nodes.get(address.strip("/").lower())
        if found is None:
            raise EntityNotFound(f"there is no entity {address.strip('/')!r}")
        return found

    def nodes(self) -> Iterator[Node]:
        """All of them."""
        return iter(self._nodes.values())

    def restore_message(self, path: str, message: Message) -> bool:
        """A message from the store; False where its entity is not there any more."""
        node = self._nodes.get(path)
        if node is None:
            return False
        if message.state is State.SCHEDULED:
            if node.intake is not None:
                node.intake.restore(message)
        elif node.queue is not None:
            node.queue.shelf.restore(message)
            node.queue.want()
        return True

    def restore_counter(self, path: str, next_sequence: int) -> None:
        """The number that an entity gives next."""
        node = self._nodes.get(path)
        if node is not None and node.queue is not None:
            node.queue.sequence.next = next_sequence
        elif node is not None:
            self._topic_sequences[path].next = next_sequence

    def restore_session(self, path: str, name: str, state: bytes | None, updated_ms: int) -> None:
        """A session's state."""
        node = self._nodes.get(path)
        if node is not None and node.queue is not None:
            lane = node.queue.shelf.lane(name)
            lane.state, lane.updated_ms = state, updated_ms

    def restore_seen(self, path: str, message_id: str, until_ms: int) -> None:
        """A message id within its window."""
        node = self._nodes.get(path)
        if node is not None and node.intake is not None:
            node.intake.restore_seen(message_id, until_ms)

    def resume(self) -> None:
        """After the restoring: sessions with messages are offered to whoever comes."""
        for node in self.nodes():
            if node.queue is not None:
                for lane in list(node.queue.shelf.lanes.values()):
                    node.queue.serve(lane)

    def _add_queue(self, settings: QueueSettings) -> None:
        queue = self._add_holding(settings.name, settings.holding)
        node = self._nodes[queue.path]
        node.intake = Intake(queue.path, settings.entrance, self._world, queue.sequence, queue.arrive)

    def _add_topic(self, settings: TopicSettings) -> None:
        path = self._free_path(settings.name)
        sequence = self._topic_sequences[path] = Sequence(path, self._world)
        subscribed = [self._subscribe(settings, each) for each in settings.subscriptions]

        def arrive(envelope: Envelope, hops: int) -> None:
            for copies, queue in subscribed:
                for copy in copies(envelope):
                    queue.arrive(copy, hops)

        intake = Intake(path, settings.entrance, self._world, sequence, arrive)
        self._nodes[path] = Node(path, intake)

    def _subscribe(self, topic: TopicSettings, settings: SubscriptionSettings) -> tuple[Matcher, Queue]:
        path = f"{topic.name}/Subscriptions/{settings.name}"
        seconds = min(settings.holding.time_to_live_seconds, topic.time_to_live_seconds)
        queue = self._add_holding(path, replace(settings.holding, time_to_live_seconds=seconds))
        try:
            return matcher(settings.rules), queue
        except InvalidRequest as error:
            raise InvalidRequest(f"a rule of {path}: {error}") from None

    def _add_holding(self, name: str, holding: Holding) -> Queue:
        path = self._free_path(name)
        buried = Holding(lock_seconds=holding.lock_seconds)
        dead_letters = Queue(path + DEAD_LETTERS, buried, self._world, None)
        queue = Queue(path, holding, self._world, dead_letters)
        node = Node(path, None, queue)
        if holding.requires_session:
            node.sessions = _with_sessions(queue, self._world)
        self._nodes[path] = node
        self._nodes[dead_letters.path] = Node(dead_letters.path, None, dead_letters)
        return queue

    def _free_path(self, name: str) -> str:
        path = name.strip("/").lower()
        if path in self._nodes:
            raise InvalidRequest(f"there are two entities with the name {name!r}")
        return path

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


def _with_sessions(queue: Queue, world: World) -> Sessions:
    sessions = Sessions(queue, world)

    def idle(lane: Lane) -> None:
        if lane.holder is None:
            sessions.noticed(lane.id)

    queue.on_idle = idle
    return sessions
