"""A client that sends to a queue or topic."""

from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import Delivery, IncomingLink
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import Accepted, Rejected
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Node
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import MessageTooLarge, ServiceBusRefusal
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import unpacked


class SenderEndpoint:
    """Takes messages into an entity; each is answered when the entity has it."""

    def __init__(self, link: IncomingLink, node: Node, message_bytes_max: int) -> None:
        self._link = link
        self._node = node
        self._bytes_max = message_bytes_max

    def received(self, delivery: Delivery) -> None:
        """See `Endpoint`."""
        try:
            self._send(delivery)
        except ServiceBusRefusal as refusal:
            self._link.settle(delivery, Rejected(refusal.error()))
        else:
            self._link.settle(delivery, Accepted())

    def _send(self, delivery: Delivery) -> None:
        if len(delivery.payload) > self._bytes_max:
            raise MessageTooLarge(f"{len(delivery.payload)} bytes; {self._bytes_max} is the most")
        if self._node.intake is not None:
            self._node.intake.send(unpacked(delivery.payload, delivery.message_format), self._node.check)

    def credited(self) -> None:
        """See `Endpoint`."""

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """See `Endpoint`."""

    def detached(self) -> None:
        """See `Endpoint`."""
