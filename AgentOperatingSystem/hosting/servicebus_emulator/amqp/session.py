"""A session: the windows between the peers, the links by handle, and the deliveries that are not settled yet."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import IncomingLink, Link, OutgoingLink
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Transfer,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import AmqpError

WINDOW = 5000  # frames with messages that a client may send ahead
LINKS_MAX = 255
_TRANSFER_HEAD_BYTES = 96  # more than the performative of any transfer of ours takes
_U32 = 0xFFFFFFFF

OnLink = Callable[[Link], None]


class Wire(Protocol):
    """What a session needs of its connection."""

    @property
    def frame_bytes_max(self) -> int:
        """The longest frame that the peer takes."""
        ...

    def write(self, record: Any, payload: bytes, channel: int) -> None:
        """Puts a frame into the output."""
        ...


class Session:
    """The server's side of one session."""

    def __init__(self, wire: Wire, channel: int, begin: Begin, on_link: OnLink) -> None:
        self._wire = wire
        self._number = channel
        self._on_link = on_link
        self._links: dict[int, Link] = {}
        self._next_incoming_id = begin.next_outgoing_id
        self._incoming_window = WINDOW
        self._next_outgoing_id = 0
        self._remote_window = begin.incoming_window
        self._next_delivery_id = 0
        self._unsettled: dict[int, OutgoingLink] = {}
        self._held: deque[tuple[Transfer, bytes]] = deque()
        self.send(Begin(channel, self._next_outgoing_id, WINDOW, WINDOW, LINKS_MAX))

    def took(self, record: Any, payload: bytes) -> None:
        """One frame of this session. Raises `AmqpError`."""
        match record:
            case Transfer():
                self._transferred(record, payload)
            case Disposition():
                self._disposed(record)
            case Flow():
                self._flowed(record)
            case Attach():
                self._attached(record)
            case Detach():
                self._detached(record)
            case _:
                raise AmqpError("amqp:not-allowed", f"no place for {type(record).__name__} in a session")

    def end(self) -> None:
        """The session is gone, and its links with it."""
        for link in list(self._links.values()):
            link.gone()
        self._held.clear()
        self._unsettled.clear()

    def _attached(self, attach: Attach) -> None:
        if attach.handle in self._links:
            raise AmqpError("amqp:session:handle-in-use", f"handle {attach.handle} is in use")
        if len(self._links) > LINKS_MAX:
            raise AmqpError("amqp:resource-limit-exceeded", f"more than {LINKS_MAX} links in a session")
        link = (OutgoingLink if attach.role else IncomingLink)(self, attach, attach.handle)
        self._links[attach.handle] = link
        self._on_link(link)

    def _detached(self, detach: Detach) -> None:
        link = self._links.get(detach.handle)
        if link is not None:  # else it is the answer to a detach of ours
            self.send(Detach(handle=detach.handle, closed=True))
            link.gone()

    def _transferred(self, transfer: Transfer, payload: bytes) -> None:
        self._next_incoming_id = (self._next_incoming_id + 1) & _U32
        self._incoming_window -= 1
        if self._incoming_window < 0:
            raise AmqpError("amqp:session:window-violation", "more transfers than the window allows")
        link = self._links.get(transfer.handle)
        if isinstance(link, IncomingLink):
            link.take(transfer, payload)
        elif link is not None:
            raise AmqpError("amqp:not-allowed", "a transfer on a link that the peer receives on")
        if self._incoming_window <= WINDOW // 2:
            self._incoming_window = WINDOW
            self.send(self._state())

    def _disposed(self, disposition: Disposition) -> None:
        if not disposition.role:
            return  # a sender that settles what we have settled already
        last = disposition.first if disposition.last is None else disposition.last
        if last - disposition.first < 64:
            ids = [each for each in range(disposition.first, last + 1) if each in self._unsettled]
        else:
            ids = [each for each in self._unsettled if disposition.first <= each <= last]
        for delivery_id in ids:
            link = self._unsettled.pop(delivery_id)
            if link.is_open and link.endpoint is not None:
                link.endpoint.disposed(delivery_id, disposition.state, bool(disposition.settled))

    def _flowed(self, flow: Flow) -> None:
        seen = flow.next_incoming_id if flow.next_incoming_id is not None else 0
        self._remote_window = max(seen + flow.incoming_window - self._next_outgoing_id, 0)
        self._release()
        if flow.handle is None:
            if flow.echo:
                self.send(self._state())
            return
        link = self._links.get(flow.handle)
        if isinstance(link, OutgoingLink):
            link.flowed(flow)

    def _state(self) -> Flow:
        return Flow(self._next_incoming_id, self._incoming_window, self._next_outgoing_id, WINDOW)

    # What links ask for

    def send(self, record: Any) -> None:
        """See `Channel`."""
        self._wire.write(record, b"", self._number)

    def flow(self, link: Link, credit: int, delivery_count: int, drain: bool) -> None:
        """See `Channel`. A flow about a link stands behind the messages that wait for the window."""
        self.send(
            replace(self._state(), handle=link.handle, link_credit=credit, delivery_count=delivery_count, drain=drain)
        )

    def forget(self, link: Link) -> None:
        """See `Channel`."""
        self._links.pop(link.handle, None)
        for delivery_id in [each for each, owner in self._unsettled.items() if owner is link]:
            del self._unsettled[delivery_id]
        self._held = deque(each for each in self._held if each[0].handle != link.handle)

    def transfer(self, link: OutgoingLink, transfer: Transfer, payload: bytes) -> int:
        """See `Channel`."""
        delivery_id = self._next_delivery_id
        self._next_delivery_id = (delivery_id + 1) & _U32
        if not transfer.settled:
            self._unsettled[delivery_id] = link
        room = self._wire.frame_bytes_max - _TRANSFER_HEAD_BYTES
        parts = [payload[start : start + room] for start in range(0, len(payload), room)] or [b""]
        for place, part in enumerate(parts):
            more = place < len(parts) - 1
            self._held.append((replace(transfer, delivery_id=delivery_id, more=more), part))
        self._release()
        return delivery_id

    def _release(self) -> None:
        """Writes what the peer's window has room for."""
        while self._held and self._remote_window > 0:
            transfer, part = self._held.popleft()
            self._remote_window -= 1
            self._next_outgoing_id = (self._next_outgoing_id + 1) & _U32
            self._wire.write(transfer, part, self._number)
