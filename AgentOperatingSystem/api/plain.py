"""The description of the routes that are plain ASGI, in the words of OpenAPI."""

from typing import Any, Final

from AgentOperatingSystem.api.events import EventIn
from AgentOperatingSystem.api.openapi import documented, schema_of
from AgentOperatingSystem.api.views import Accepted, Outcome

_NAME: Final = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_ID: Final = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}

_ACTION: Final = {"name": "action", "in": "path", "required": True, "schema": {"type": "string"}}


def _query(name: str, description: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": kind}, "description": description}


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": description}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


_KEY: Final = _query("key", "Which instance of the agent's type.")
_WAIT: Final = _query("wait", "Seconds to wait for the result, at most 300.", "number")
_PROBLEM: Final = documented(Outcome)["responses"]["default"]
_ACCEPTED: Final = {
    "200": {"description": "It ended while it was waited for.", **_json(schema_of(Outcome))},
    "202": {"description": "It is durable; Location says where to ask for its outcome.", **_json(schema_of(Accepted))},
    "default": _PROBLEM,
}
_ANY_OBJECT: Final = {"schema": {"type": "object"}}

PLAIN: Final[dict[str, Any]] = {
    "/api/v1/agents/{name}/events": {
        "post": {
            "tags": ["events"],
            "summary": "Send an event",
            "description": "Sends an event to one agent. The same id again is answered as before, not handled again.",
            "parameters": [_NAME, _KEY, _WAIT, _header("Idempotency-Key", "The event's id.")],
            "requestBody": _json(schema_of(EventIn)),
            "responses": _ACCEPTED,
        }
    },
    "/api/v1/agents/{name}/actions/{action}": {
        "post": {
            "tags": ["actions"],
            "summary": "Have an action done",
            "description": "Sends the event that runs an action. Input that does not fit is refused at once.",
            "parameters": [
                _NAME,
                _ACTION,
                _KEY,
                _WAIT,
                _query("source", "Who says so; `/http` where it is left out."),
                _query("id", "The event's id, as the header Idempotency-Key."),
                _header("Idempotency-Key", "The event's id."),
            ],
            "requestBody": {"content": {"application/json": _ANY_OBJECT}},
            "responses": _ACCEPTED,
        }
    },
    "/api/v1/agents/{name}/events/{id}": {
        "get": {
            "tags": ["events"],
            "summary": "Ask for an outcome",
            "description": "What became of an event; `pending` until a host has seen it.",
            "parameters": [_NAME, _ID, _KEY, _query("source", "The event's source; `/http` where it is left out.")],
            "responses": {"200": {"description": "The outcome.", **_json(schema_of(Outcome))}, "default": _PROBLEM},
        }
    },
    "/api/v1/events": {
        "post": {
            "tags": ["events"],
            "summary": "Send an event without a recipient",
            "description": "The routes choose the recipient. CloudEvents come in structured, batch or binary mode.",
            "parameters": [_WAIT, _header("Idempotency-Key", "The event's id.")],
            "requestBody": {
                "content": {
                    "application/json": {"schema": schema_of(EventIn)},
                    "application/cloudevents+json": _ANY_OBJECT,
                    "application/cloudevents-batch+json": {"schema": {"type": "array", "items": {"type": "object"}}},
                }
            },
            "responses": _ACCEPTED,
        }
    },
    "/webhooks/github": {
        "post": {
            "tags": ["events"],
            "summary": "Take a delivery of GitHub's",
            "description": "Signed with the configured secret; unsigned only from loopback, with no secret set.",
            "security": [],
            "parameters": [
                _WAIT,
                _header("X-GitHub-Event", "What happened."),
                _header("X-GitHub-Delivery", "The event's id."),
                _header("X-Hub-Signature-256", "HMAC of the body."),
            ],
            "requestBody": {"content": {"application/json": _ANY_OBJECT}},
            "responses": _ACCEPTED,
        }
    },
}
