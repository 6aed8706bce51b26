"""GitHub's webhooks as events: signed ones from anywhere, unsigned ones from this machine alone.

Source: GitHub, "Webhook events and payloads" (headers) and "Validating webhook deliveries" (signature).
"""

import hmac
from hashlib import sha256
from typing import Any

from starlette.types import Receive, Scope, Send

from AgentOperatingSystem.api.bodies import Headers, decode, header, read_body
from AgentOperatingSystem.api.callers import caller_of
from AgentOperatingSystem.api.door import Door
from AgentOperatingSystem.api.intake import query, take_in, wait_seconds
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.errors import InvalidInput, Unauthorized, UnsupportedMediaType
from AgentOperatingSystem.events import Event

SOURCE = "github"
_SIGNATURE = b"x-hub-signature-256"
_PROXIED = (b"forwarded", b"x-forwarded-for", b"via")


class GitHubWebhook:
    """`POST /webhooks/github`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, door = scope["given"], self._door
        seconds = wait_seconds(query(scope))
        secret = door.config.github_webhook_secret
        if secret is None:
            _check_is_near(scope)
        body = await read_body(headers, receive, door.body_bytes_max)
        if secret is not None:
            _check_signature(secret.get_secret_value(), header(headers, _SIGNATURE), body)
        await take_in(door, delivery_event(headers, body, door), seconds, send, caller_of(scope))


def delivery_event(headers: Headers, body: bytes, door: Door) -> Event:
    """The event of a delivery. Raises `InvalidInput` where it is not what GitHub sends."""
    media = (header(headers, b"content-type") or "").partition(";")[0].strip().lower()
    if media != "application/json":
        raise UnsupportedMediaType(
            f"content type {media[:80]!r} is not read here; set the webhook's content type to application/json"
        )
    name, delivery = _required(headers, b"x-github-event"), _required(headers, b"x-github-delivery")
    payload = decode(body, dict[str, Any], depth_max=door.config.event_depth_max)
    action = payload.get("action")
    return Event(
        id=delivery,
        source=SOURCE,
        type=f"github.{name}.{action}" if isinstance(action, str) and action else f"github.{name}",
        subject=_repository(payload),
        data=payload,
        tenant=door.config.tenant,
    )


def _repository(payload: dict[str, Any]) -> str:
    """The full name of the repository; empty where the delivery names none."""
    repository = payload.get("repository")
    name = repository.get("full_name") if isinstance(repository, dict) else None
    return name if isinstance(name, str) else ""


def _required(headers: Headers, name: bytes) -> str:
    value = header(headers, name)
    if not value:
        raise InvalidInput(f"header {name.decode()} is missing: this is no delivery of GitHub's")
    return value


def _check_signature(secret: str, given: str | None, body: bytes) -> None:
    """Raises `Unauthorized` where the body was not signed with the secret; compared in constant time."""
    wanted = "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
    if given is None or not hmac.compare_digest(given.encode(), wanted.encode()):
        raise Unauthorized("X-Hub-Signature-256 is missing or wrong: the delivery is not signed with our secret")


def _check_is_near(scope: Scope) -> None:
    """Without a secret nobody can be told from another, so only this machine itself may post, and no proxy on it."""
    client = scope.get("client")
    proxied = any(name in scope["given"] for name in _PROXIED)
    if client is None or proxied or not is_loopback(client[0]):
        raise Unauthorized(
            "unsigned webhooks are read from loopback only; set github_webhook_secret to take signed ones"
        )
