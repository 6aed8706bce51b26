"""One client: what each of its links is attached to.

Called by `amqp.connection` for every attach; answers with an endpoint, or refuses with the vendor's conditions.
"""

from collections.abc import Callable
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import IncomingLink, Link, OutgoingLink
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Described, Long, Symbol
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Namespace, Node
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Lane, World
from AgentOperatingSystem.hosting.servicebus_emulator.broker.sessions import Sessions, Waiter
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    EntityDisabled,
    InvalidRequest,
    NotAllowed,
    ServiceBusRefusal,
    TimedOut,
)
from AgentOperatingSystem.hosting.servicebus_emulator.front import management
from AgentOperatingSystem.hosting.servicebus_emulator.front.addresses import Address, Kind, parsed
from AgentOperatingSystem.hosting.servicebus_emulator.front.receivers import ReceiverEndpoint, SessionEndpoint
from AgentOperatingSystem.hosting.servicebus_emulator.front.requests import (
    CBS_NAMES,
    MANAGEMENT_NAMES,
    Answer,
    Replies,
    Request,
    Requests,
)
from AgentOperatingSystem.hosting.servicebus_emulator.front.senders import SenderEndpoint
from AgentOperatingSystem.hosting.servicebus_emulator.front.tokens import Gatekeeper

SESSION_WAIT_MS = 60_000
_CLOSED_FOR = {"Send": "Send", "Listen": "Receive"}
_SESSION_FILTER = "com.microsoft:session-filter"
_TICKS_OF_1970 = 621_355_968_000_000_000  # .NET counts tenths of microseconds since the year 1


class Peer:
    """The links of one connection."""

    def __init__(self, namespace: Namespace, world: World, gatekeeper: Gatekeeper) -> None:
        self._namespace = namespace
        self._world = world
        self._gatekeeper = gatekeeper
        self._replies: dict[Address, Replies] = {}

    def attached(self, link: Link) -> None:
        """Opens the link or refuses it."""
        try:
            if isinstance(link, IncomingLink):
                self._attach_sender(link, _address(link.remote.target))
            elif isinstance(link, OutgoingLink):
                self._attach_receiver(link, _address(link.remote.source))
        except ServiceBusRefusal as refusal:
            link.refuse(refusal.error())

    def _attach_sender(self, link: IncomingLink, address: Address) -> None:
        most = self._world.limits.message_bytes
        if address.kind is not Kind.ENTITY:
            respond = self._responder(link, address)
            names = CBS_NAMES if address.kind is Kind.CBS else MANAGEMENT_NAMES
            endpoint = Requests(link, self._replies_to(address), names, respond)
            return link.accept(endpoint, message_bytes_max=2 * most)
        node = self._node(link, address, "Send")
        if node.intake is None:
            raise NotAllowed(f"nothing can be sent to {address.path!r}")
        properties = {Symbol("com.microsoft:max-message-batch-size"): Long(most)}
        link.accept(SenderEndpoint(link, node, most), message_bytes_max=most, properties=properties)

    def _attach_receiver(self, link: OutgoingLink, address: Address) -> None:
        if address.kind is not Kind.ENTITY:
            return self._replies_to(address).attach(link)
        node = self._node(link, address, "Listen")
        if node.queue is None or node.queue.holding.forward_to is not None:
            raise NotAllowed(f"nothing can be received from {address.path!r}")
        has_filter, session = _session_filter(link.remote.source)
        if node.sessions is None:
            if has_filter:
                raise NotAllowed(f"{address.path!r} has no sessions")
            endpoint = ReceiverEndpoint(link, node.queue)
            node.queue.attach(endpoint)
            return link.accept(endpoint)
        if not has_filter:
            raise NotAllowed(f"{address.path!r} has sessions: a receiver names one, or takes the next")
        self._attach_session(link, node, node.sessions, session)

    def _attach_session(self, link: OutgoingLink, node: Node, sessions: Sessions, name: str | None) -> None:
        assert node.queue is not None
        endpoint = SessionEndpoint(link, node.queue, sessions)
        if name is not None:
            return _open_session(link, endpoint, sessions.take(name, endpoint))
        waiter = Waiter(endpoint, lambda lane: _open_session(link, endpoint, lane))
        link.endpoint = _Waiting(lambda: sessions.leave(waiter))

        def give_up(now_ms: int) -> None:
            if sessions.leave(waiter):
                link.refuse(TimedOut("no session had a message in the time given").error())

        self._world.timers.want(waiter, self._world.now_ms() + _wait_ms(link), give_up)
        sessions.wait(waiter)

    def _node(self, link: Link, address: Address, right: str | None) -> Node:
        node = self._namespace.node(address.path)
        self._gatekeeper.check(address.path, right)
        _check_status(node, right)
        node.guests.add(link)
        return node

    def _replies_to(self, address: Address) -> Replies:
        return self._replies.setdefault(address, Replies())

    def _responder(self, link: Link, address: Address) -> Callable[[Request], Answer]:
        if address.kind is Kind.CBS:
            return self._put_token
        node = self._node(link, address, None)

        def respond(request: Request) -> Answer:
            self._gatekeeper.check(address.path, management.right(request))
            return management.respond(node, request)

        return respond

    def _put_token(self, request: Request) -> Answer:
        if request.argument("operation") != "put-token":
            raise NotAllowed("$cbs takes put-token")
        self._gatekeeper.put_token(request.body, request.argument("name"))
        return Answer(200, "OK")


def _check_status(node: Node, right: str | None) -> None:
    status = node.settings.about.status if node.settings is not None else "Active"
    if status == "Disabled" or (right is not None and status == f"{_CLOSED_FOR[right]}Disabled"):
        raise EntityDisabled(f"{node.path!r} is closed: its status is {status}")


class _Waiting:
    """The endpoint of a link that is not answered yet."""

    def __init__(self, leave: Callable[[], bool]) -> None:
        self._leave = leave

    def received(self, delivery: Any) -> None:
        """See `Endpoint`."""

    def credited(self) -> None:
        """See `Endpoint`."""

    def disposed(self, delivery_id: int, state: Any, settled: bool) -> None:
        """See `Endpoint`."""

    def detached(self) -> None:
        """See `Endpoint`."""
        self._leave()


def _open_session(link: OutgoingLink, endpoint: SessionEndpoint, lane: Lane) -> None:
    endpoint.hold(lane)
    source = link.remote.source
    source.filter = {Symbol(_SESSION_FILTER): lane.id}
    ticks = lane.until_ms * 10_000 + _TICKS_OF_1970
    link.accept(endpoint, source=source, properties={Symbol("com.microsoft:locked-until-utc"): Long(ticks)})


def _address(terminus: Any) -> Address:
    return parsed(getattr(terminus, "address", None))


def _session_filter(source: Any) -> tuple[bool, str | None]:
    """Whether a session is asked for, and which; None is the next one that is free."""
    filters = getattr(source, "filter", None) or {}
    if _SESSION_FILTER not in filters:
        return False, None
    found = filters[_SESSION_FILTER]
    found = found.value if isinstance(found, Described) else found
    if found is not None and not isinstance(found, str):
        raise InvalidRequest("a session's id is text")
    return True, found


def _wait_ms(link: OutgoingLink) -> int:
    asked = (link.remote.properties or {}).get("com.microsoft:timeout")
    return int(asked) if isinstance(asked, int) else SESSION_WAIT_MS
