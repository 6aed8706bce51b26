"""`<entity>/$management`: what the SDK asks for beside sending and receiving.

Microsoft Learn, "AMQP 1.0 in Azure Service Bus: request-response-based operations". One function for each operation;
the table at the end is the list.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import Array, Long, Timestamp
from AgentOperatingSystem.hosting.servicebus_emulator.broker.intake import Intake
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Node
from AgentOperatingSystem.hosting.servicebus_emulator.broker.queue import Queue
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import Message
from AgentOperatingSystem.hosting.servicebus_emulator.broker.sessions import Sessions
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    InvalidRequest,
    NotAllowed,
    SessionLockLost,
)
from AgentOperatingSystem.hosting.servicebus_emulator.envelope import parse
from AgentOperatingSystem.hosting.servicebus_emulator.front.requests import Answer, Request

_ALL_SESSIONS_FROM_MS = 253_402_000_000_000  # the last days of the year 9999: "whatever has messages"
_OPERATION = "com.microsoft:"

Body = dict[str, Any]


_SENDING = ("schedule-message", "cancel-scheduled-message")


def right(request: Request) -> str:
    """What a client must be allowed to ask it."""
    return "Send" if _name(request) in _SENDING else "Listen"


def _name(request: Request) -> str:
    return str(request.argument("operation") or "").removeprefix(_OPERATION)


def respond(node: Node, request: Request) -> Answer:
    """Does what is asked. Raises `ServiceBusRefusal`."""
    name = _name(request)
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise NotAllowed(f"there is no operation {name!r}")
    if not isinstance(request.body, dict):
        raise InvalidRequest("the request has no map as its body")
    body = operation(node, {str(key): value for key, value in request.body.items()})
    return Answer(204, "nothing there", {}) if body is None else Answer(200, "OK", body)


def _queue(node: Node) -> Queue:
    if node.queue is None:
        raise NotAllowed(f"nothing can be received from {node.path!r}")
    return node.queue


def _intake(node: Node) -> Intake:
    if node.intake is None:
        raise NotAllowed(f"nothing can be sent to {node.path!r}")
    return node.intake


def _sessions(node: Node) -> Sessions:
    if node.sessions is None:
        raise NotAllowed(f"{node.path!r} has no sessions")
    return node.sessions


def _numbers(value: Any) -> list[int]:
    items = value.items if isinstance(value, Array) else value
    return [int(each) for each in items]


def _tokens(value: Any) -> list[UUID]:
    items = list(value.items if isinstance(value, Array) else value)
    if not all(isinstance(each, UUID) for each in items):
        raise InvalidRequest("a lock token is a uuid")
    return items


def _renew_lock(node: Node, body: Body) -> Body:
    ends = [Timestamp(_queue(node).renew(token)) for token in _tokens(body["lock-tokens"])]
    return {"expirations": Array(Timestamp, tuple(ends))}


def _peek(node: Node, body: Body) -> Body | None:
    scheduled = node.intake.scheduled if node.intake is not None else {}
    session = body.get("session-id")
    first, most = int(body["from-sequence-number"]), int(body["message-count"])
    found = _queue(node).peek(first, most, scheduled, session)
    return {"messages": [{"message": each.encoded()} for each in found]} if found else None


def _schedule(node: Node, body: Body) -> Body:
    envelopes = [parse(each["message"]) for each in body["messages"]]
    numbers = _intake(node).schedule(envelopes, node.check)
    return {"sequence-numbers": Array(Long, tuple(map(Long, numbers)))}


def _cancel(node: Node, body: Body) -> Body:
    _intake(node).cancel(_numbers(body["sequence-numbers"]))
    return {}


def _receive_deferred(node: Node, body: Body) -> Body:
    queue = _queue(node)
    if queue.holding.requires_session:
        _sessions(node).state(str(body.get("session-id")))  # whoever asks must hold it
    deletes = int(body["receiver-settle-mode"]) == 0
    found = queue.deferred(_numbers(body["sequence-numbers"]), deletes=deletes)
    return {"messages": [_with_token(each) for each in found]}


def _with_token(message: Message) -> Body:
    found: Body = {"message": message.encoded()}
    if message.lock is not None:
        found["lock-token"] = message.lock.token
    return found


def _update_disposition(node: Node, body: Body) -> Body:
    queue, status = _queue(node), str(body["disposition-status"])
    if node.sessions is not None and body.get("session-id") is None:
        raise SessionLockLost("a message of a session is settled by its holder alone")
    changes = {str(key): value for key, value in (body.get("properties-to-modify") or {}).items()}
    for token in _tokens(body["lock-tokens"]):
        _dispose(queue, token, status, body, changes)
    return {}


def _dispose(queue: Queue, token: UUID, status: str, body: Body, changes: Body) -> None:
    match status:
        case "completed":
            queue.complete(token)
        case "abandoned":
            queue.abandon(token, changes)
        case "defered" | "deferred":  # the first is how the protocol spells it
            queue.defer(token, changes)
        case "suspended":
            queue.dead_letter(token, body.get("deadletter-reason"), body.get("deadletter-description"), changes)
        case _:
            raise InvalidRequest(f"there is no disposition {status!r}")


def _session_state(node: Node, body: Body) -> Body:
    return {"session-state": _sessions(node).state(str(body["session-id"]))}


def _set_session_state(node: Node, body: Body) -> Body:
    state = body.get("session-state")
    if state is not None and not isinstance(state, bytes):
        raise InvalidRequest("a session's state is binary")
    _sessions(node).set_state(str(body["session-id"]), state)
    return {}


def _renew_session(node: Node, body: Body) -> Body:
    return {"expiration": Timestamp(_sessions(node).renew(str(body["session-id"])))}


def _list_sessions(node: Node, body: Body) -> Body | None:
    after = int(body["last-updated-time"])
    names = _sessions(node).names(None if after >= _ALL_SESSIONS_FROM_MS else after)
    skip, top = int(body["skip"]), int(body["top"])
    page = sorted(names)[skip : skip + top]
    return {"skip": skip + len(page), "sessions-ids": Array(str, tuple(page))} if page else None


_OPERATIONS: dict[str, Callable[[Node, Body], Body | None]] = {
    "renew-lock": _renew_lock,
    "peek-message": _peek,
    "schedule-message": _schedule,
    "cancel-scheduled-message": _cancel,
    "receive-by-sequence-number": _receive_deferred,
    "update-disposition": _update_disposition,
    "get-session-state": _session_state,
    "set-session-state": _set_session_state,
    "renew-session-lock": _renew_session,
    "get-message-sessions": _list_sessions,
}
