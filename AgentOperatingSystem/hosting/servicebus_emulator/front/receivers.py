"""A client that receives from a queue, a subscription, their dead letters, or one session of them."""

from typing import Any
from uuid import UUID, uuid4

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import Delivery, OutgoingLink
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Accepted,
    Error,
    Modified,
    Rejected,
    Released,
)
from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import DESCRIPTION, REASON, Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, Message
from AgentOperatingSystem.hosting.servicebus_emulator.broker.sessions import Sessions
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest, ServiceBusRefusal

_DEAD_LETTER = "com.microsoft:dead-letter"


class ReceiverEndpoint:
    """Hands a queue's messages to a link, and settles them as the client says. Implements `broker.records.Consumer`."""

    def __init__(self, link: OutgoingLink, queue: Queue) -> None:
        self._link = link
        self._queue = queue
        self._tokens: dict[int, UUID] = {}

    @property
    def credit(self) -> int:
        """See `Consumer`."""
        return self._link.credit if self._link.is_open else 0

    @property
    def deletes(self) -> bool:
        """See `Consumer`."""
        return self._link.is_presettled

    def hand(self, message: Message) -> None:
        """See `Consumer`."""
        token = message.lock.token if message.lock is not None else uuid4()
        delivery_id = self._link.send(message.encoded(), token.bytes_le)
        if message.lock is not None:
            self._tokens[delivery_id] = token

    def lose(self, why: ServiceBusRefusal) -> None:
        """See `Consumer`."""
        self._link.detach(why.error())

    def received(self, delivery: Delivery) -> None:
        """See `Endpoint`."""

    def credited(self) -> None:
        """See `Endpoint`."""
        self._serve()
        self._link.drained()

    def _serve(self) -> None:
        self._queue.serve(self._queue.shelf.lane(None))

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """See `Endpoint`. The answer says the same outcome, or rejects with the reason."""
        token = self._tokens.pop(delivery_id, None)
        if token is None:
            return
        try:
            self._settle(token, state)
            answer = Rejected() if isinstance(state, Rejected) else state
        except ServiceBusRefusal as refusal:
            answer = Rejected(refusal.error())
        if not settled:
            self._link.settle(delivery_id, answer)

    def _settle(self, token: UUID, state: Any) -> None:
        match state:
            case Accepted():
                self._queue.complete(token)
            case Released() | None:
                self._queue.release(token)
            case Modified(undeliverable_here=True):
                self._queue.defer(token, state.message_annotations)
            case Modified():
                self._queue.abandon(token, state.message_annotations)
            case Rejected():
                self._queue.dead_letter(token, *_reason(state.error))
            case _:
                raise InvalidRequest(f"{type(state).__name__} is no outcome")

    def detached(self) -> None:
        """See `Endpoint`. Locks outlive the link."""
        self._queue.detach(self)


def _reason(error: Error | None) -> tuple[str | None, str | None, dict[Any, Any]]:
    """(reason, description, further properties) of a dead letter."""
    if error is None:
        return None, None, {}
    info = {str(key): value for key, value in (error.info or {}).items()}
    if error.condition != _DEAD_LETTER:
        return str(error.condition), error.description, info
    reason, description = info.pop(REASON, None), info.pop(DESCRIPTION, None)
    return _text(reason), _text(description), info


def _text(value: object) -> str | None:
    return None if value is None else str(value)


class SessionEndpoint(ReceiverEndpoint):
    """The same for one session, which the link holds as long as it is there."""

    def __init__(self, link: OutgoingLink, queue: Queue, sessions: Sessions) -> None:
        super().__init__(link, queue)
        self._sessions = sessions
        self._lane: Lane | None = None

    def hold(self, lane: Lane) -> None:
        """The session is ours."""
        self._lane = lane

    def _serve(self) -> None:
        if self._lane is not None:
            self._queue.serve(self._lane)

    def detached(self) -> None:
        """See `Endpoint`."""
        if self._lane is not None:
            self._sessions.close(self._lane, self)
