"""Links: one direction of messages inside a session, with credit and the reassembly of deliveries.

A link is made by `session` when the peer attaches; what the node behind it does is its `Endpoint`'s affair, which
`front` chooses. The server's `OutgoingLink` is the client's receiver, its `IncomingLink` the client's sender.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Attach,
    Detach,
    Disposition,
    Error,
    Flow,
    Outcome,
    Source,
    Target,
    Transfer,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import AmqpError

CREDIT = 1000  # transfers that a client's sender may have on the way


@dataclass(slots=True)
class Delivery:
    """One whole message that came in."""

    id: int
    message_format: int
    settled: bool
    payload: bytes


class Endpoint(Protocol):
    """The node behind a link, as the link sees it."""

    def received(self, delivery: Delivery) -> None:
        """A message came; only on incoming links. The endpoint settles it, sooner or later."""
        ...

    def credited(self) -> None:
        """The peer gave credit, or asked to use up what it gave; only on outgoing links."""
        ...

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """The peer said what became of a delivery; only on outgoing links."""
        ...

    def detached(self) -> None:
        """The link is gone; nothing can be sent on it any more."""
        ...


class Channel(Protocol):
    """What a link needs of its session."""

    def send(self, record: Any) -> None:
        """Writes a frame."""
        ...

    def transfer(self, link: "OutgoingLink", transfer: Transfer, payload: bytes) -> int:
        """Writes a message, in as many frames as it needs; answers its delivery id."""
        ...

    def flow(self, link: "Link", credit: int, delivery_count: int, drain: bool) -> None:
        """Writes the state of a link."""
        ...

    def forget(self, link: "Link") -> None:
        """The link is gone."""
        ...


class Link:
    """What both directions have."""

    def __init__(self, channel: Channel, attach: Attach, handle: int) -> None:
        self.channel = channel
        self.remote = attach
        self.handle = handle
        self.endpoint: Endpoint | None = None
        self.is_open = True
        self.is_attached = False

    def answer(self, source: Any, target: Any, properties: dict[Any, Any] | None, **more: Any) -> None:
        """Sends our half of the attach."""
        self.is_attached = True
        remote = self.remote
        self.channel.send(
            Attach(
                name=remote.name,
                handle=self.handle,
                role=not remote.role,
                snd_settle_mode=remote.snd_settle_mode,
                rcv_settle_mode=remote.rcv_settle_mode,
                source=source,
                target=target,
                properties=properties,
                **more,
            )
        )

    def refuse(self, error: Error) -> None:
        """Answers with an attach that has no terminus, and a detach that says why."""
        self.answer(None, None, None, initial_delivery_count=None if self.remote.role is False else 0)
        self.detach(error)

    def expel(self, error: Error) -> None:
        """Ends the link, answered or not."""
        if self.is_attached:
            self.detach(error)
        else:
            self.refuse(error)

    def detach(self, error: Error | None = None) -> None:
        """Closes the link from this side."""
        if self.is_open:
            self.channel.send(Detach(handle=self.handle, closed=True, error=error))
            self.gone()

    def gone(self) -> None:
        """The link is closed; its endpoint is told once."""
        if self.is_open:
            self.is_open = False
            self.channel.forget(self)
            if self.endpoint is not None:
                self.endpoint.detached()


class IncomingLink(Link):
    """The client sends."""

    def __init__(self, channel: Channel, attach: Attach, handle: int) -> None:
        super().__init__(channel, attach, handle)
        self._delivery_count = attach.initial_delivery_count or 0
        self._credit = 0
        self._partial: Transfer | None = None
        self._payload = bytearray()
        self._bytes_max = 0

    def accept(self, endpoint: Endpoint, *, message_bytes_max: int, properties: dict[Any, Any] | None = None) -> None:
        """Opens the link and lets the client send."""
        self.endpoint = endpoint
        self._bytes_max = message_bytes_max
        self.answer(
            self.remote.source or Source(),
            self.remote.target or Target(),
            properties,
            max_message_size=message_bytes_max,
        )
        self._replenish()

    def take(self, transfer: Transfer, payload: bytes) -> None:
        """One frame of a message. Raises `AmqpError`."""
        if self._partial is None:
            if self._credit <= 0:
                raise AmqpError("amqp:link:transfer-limit-exceeded", "a transfer without credit")
            if transfer.delivery_id is None:
                raise AmqpError("amqp:invalid-field", "the first transfer of a delivery lacks its id")
            self._partial = transfer
        if transfer.aborted:
            return self._end_of_delivery()
        self._payload += payload
        if len(self._payload) > 2 * self._bytes_max + 65_536:  # far over: no answer is worth the memory
            raise AmqpError("amqp:link:message-size-exceeded", f"a message of more than {self._bytes_max} bytes")
        if not transfer.more:
            self._whole(self._partial, bool(transfer.settled))

    def _whole(self, first: Transfer, settled: bool) -> None:
        delivery = Delivery(
            first.delivery_id or 0, first.message_format or 0, bool(first.settled) or settled, bytes(self._payload)
        )
        self._end_of_delivery()
        if self.endpoint is not None:
            self.endpoint.received(delivery)

    def _end_of_delivery(self) -> None:
        self._partial = None
        self._payload.clear()
        self._delivery_count += 1
        self._credit -= 1
        if self._credit <= CREDIT // 2:
            self._replenish()

    def settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Tells the client what became of its message; says nothing where it does not want to know."""
        if self.is_open and not delivery.settled:
            self.channel.send(Disposition(role=True, first=delivery.id, last=delivery.id, settled=True, state=outcome))

    def _replenish(self) -> None:
        if self.is_open:
            self._credit = CREDIT
            self.channel.flow(self, self._credit, self._delivery_count, False)


class OutgoingLink(Link):
    """The client receives."""

    def __init__(self, channel: Channel, attach: Attach, handle: int) -> None:
        super().__init__(channel, attach, handle)
        self.credit = 0
        self.drain = False
        self._delivery_count = 0

    def accept(self, endpoint: Endpoint, *, source: Any = None, properties: dict[Any, Any] | None = None) -> None:
        """Opens the link; messages go out as far as the client's credit allows."""
        self.endpoint = endpoint
        self.answer(
            source or self.remote.source or Source(),
            self.remote.target or Target(),
            properties,
            initial_delivery_count=0,
        )
        if self.credit or self.drain:
            endpoint.credited()

    @property
    def is_presettled(self) -> bool:
        """Whether the client wants messages settled by the sending (receive and delete)."""
        return self.remote.snd_settle_mode == 1

    def flowed(self, flow: Flow) -> None:
        """The client's credit, counted from what it has seen so far."""
        if flow.link_credit is not None:
            seen = flow.delivery_count if flow.delivery_count is not None else 0
            self.credit = max((seen + flow.link_credit - self._delivery_count) & 0xFFFFFFFF, 0)
            if self.credit > 0x7FFFFFFF:  # the client counts from before what is on its way
                self.credit = 0
        self.drain = bool(flow.drain)
        if self.endpoint is not None and self.is_attached:
            self.endpoint.credited()
        if flow.echo and self.is_open:
            self.channel.flow(self, self.credit, self._delivery_count, self.drain)

    def send(self, payload: bytes, tag: bytes) -> int:
        """Sends a message and uses up one credit; answers the delivery id."""
        self.credit -= 1
        self._delivery_count = (self._delivery_count + 1) & 0xFFFFFFFF
        transfer = Transfer(
            handle=self.handle,
            delivery_tag=tag,
            message_format=0,
            settled=self.is_presettled,
        )
        return self.channel.transfer(self, transfer, payload)

    def drained(self) -> None:
        """There is nothing to send: the rest of the credit is given back, as a draining client asks."""
        if self.drain:
            self._delivery_count = (self._delivery_count + self.credit) & 0xFFFFFFFF
            self.credit, self.drain = 0, False
            self.channel.flow(self, 0, self._delivery_count, True)

    def settle(self, delivery_id: int, outcome: Any) -> None:
        """Confirms what the client said of a delivery."""
        if self.is_open:
            self.channel.send(Disposition(role=False, first=delivery_id, last=delivery_id, settled=True, state=outcome))
