"""What a store kept, back into the namespace. Called by `store` before the server listens."""

from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Message, State


def restore_message(namespace: Namespace, path: str, message: Message) -> bool:
    """A message; False where its entity is not there any more."""
    node = namespace.find(path)
    if node is None:
        return False
    if message.state is State.SCHEDULED:
        if node.intake is not None:
            node.intake.restore(message)
    elif node.queue is not None:
        node.queue.shelf.restore(message)
        node.queue.want()
    return True


def restore_counter(namespace: Namespace, path: str, next_sequence: int) -> None:
    """The number that an entity gives next."""
    node = namespace.find(path)
    if node is not None and node.queue is not None:
        node.queue.sequence.next = next_sequence
    elif path in namespace.sequences:
        namespace.sequences[path].next = next_sequence


def restore_session(namespace: Namespace, path: str, name: str, state: bytes | None, updated_ms: int) -> None:
    """A session's state."""
    node = namespace.find(path)
    if node is not None and node.queue is not None:
        lane = node.queue.shelf.lane(name)
        lane.state, lane.updated_ms = state, updated_ms


def restore_seen(namespace: Namespace, path: str, message_id: str, until_ms: int) -> None:
    """A message id within its window."""
    node = namespace.find(path)
    if node is not None and node.intake is not None:
        node.intake.restore_seen(message_id, until_ms)


def resume(namespace: Namespace) -> None:
    """After the restoring: sessions with messages are offered to whoever comes."""
    for node in namespace.nodes():
        if node.queue is not None:
            for lane in list(node.queue.shelf.lanes.values()):
                node.queue.serve(lane)
