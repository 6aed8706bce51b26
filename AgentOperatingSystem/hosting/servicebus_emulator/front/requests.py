"""Requests and their answers over a pair of links of one connection: how `$cbs` and `$management` are spoken to."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.decode import decode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.encode import encode
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import Delivery, IncomingLink, OutgoingLink
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import Accepted, Rejected
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import AmqpError, Described, Int, ULong
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import APPLICATION, PROPERTIES, VALUE, Envelope, parse

PENDING_MAX = 1000


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is None where it is no single value."""

    envelope: Envelope
    body: Any

    def argument(self, name: str) -> Any:
        """An application property."""
        return self.envelope.application.get(name)


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` as in HTTP; a refusal has its condition."""

    status: int
    description: str
    body: Any = None
    condition: str | None = None


Respond = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Names:
    """How a node calls the parts of its answers."""

    status: str
    description: str
    condition: str


CBS_NAMES = Names("status-code", "status-description", "error-condition")
MANAGEMENT_NAMES = Names("statusCode", "statusDescription", "errorCondition")


class Replies:
    """The link that answers go out on; they wait for its credit."""

    def __init__(self) -> None:
        self._link: OutgoingLink | None = None
        self._waiting: deque[bytes] = deque(maxlen=PENDING_MAX)
        self._tag = 0

    def attach(self, link: OutgoingLink) -> None:
        """The client listens here from now on."""
        self._link = link
        link.accept(self)

    def put(self, payload: bytes) -> None:
        """Sends an answer as soon as it may."""
        self._waiting.append(payload)
        self.credited()

    def credited(self) -> None:
        """See `Endpoint`."""
        link = self._link
        while link is not None and link.is_open and link.credit > 0 and self._waiting:
            self._tag += 1
            link.send(self._waiting.popleft(), self._tag.to_bytes(8, "big"))
        if link is not None and link.is_open:
            link.drained()

    def received(self, delivery: Delivery) -> None:
        """See `Endpoint`."""

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """See `Endpoint`."""
        if not settled and self._link is not None:
            self._link.settle(delivery_id, state)

    def detached(self) -> None:
        """See `Endpoint`."""
        self._link = None


class Requests:
    """The link that requests come in on."""

    def __init__(self, link: IncomingLink, replies: Replies, names: Names, respond: Respond) -> None:
        self._link = link
        self._replies = replies
        self._names = names
        self._respond = respond

    def received(self, delivery: Delivery) -> None:
        """See `Endpoint`."""
        try:
            request = _read(delivery.payload)
        except ServiceBusRefusal as refusal:
            return self._link.settle(delivery, Rejected(refusal.error()))
        self._link.settle(delivery, Accepted())
        self._replies.put(_written(request.envelope, self._answer(request), self._names))

    def _answer(self, request: Request) -> Answer:
        try:
            return self._respond(request)
        except ServiceBusRefusal as refusal:
            return Answer(refusal.status, str(refusal), condition=refusal.condition)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            text = f"the request's body is not as it must be: {error!r}"
            return Answer(400, text, condition="com.microsoft:argument-error")

    def credited(self) -> None:
        """See `Endpoint`."""

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """See `Endpoint`."""

    def detached(self) -> None:
        """See `Endpoint`."""


def _read(payload: bytes) -> Request:
    envelope = parse(payload)
    try:
        body = decode(envelope.raw_body)[0] if envelope.raw_body else None
    except AmqpError:
        body = None
    if not isinstance(body, Described) or body.descriptor != VALUE:
        return Request(envelope, None)
    return Request(envelope, body.value)


def _written(request: Envelope, answer: Answer, names: Names) -> bytes:
    properties = [None] * 5 + [request.standard("message_id")]
    told: dict[str, Any] = {names.status: Int(answer.status), names.description: answer.description}
    if answer.condition is not None:
        told[names.condition] = answer.condition
    sections = ((PROPERTIES, properties), (APPLICATION, told), (VALUE, answer.body))
    return b"".join(encode(Described(ULong(code), value)) for code, value in sections)
