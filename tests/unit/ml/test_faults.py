"""The border where providers' complaints become ours. (tests/contract asks every provider for the common ones.)"""

from typing import Any

import pytest

from AgentOperatingSystem.errors import (
    BadModelRequest,
    ContentFiltered,
    ContextOverflow,
    ModelError,
    ModelUnauthorized,
    ModelUnavailable,
    RateLimited,
    UnknownModel,
)
from AgentOperatingSystem.ml.faults import from_body, from_status, message_of, retry_after_seconds

CASES: list[tuple[int, Any, type[ModelError]]] = [
    (400, {"error": {"message": "no"}}, BadModelRequest),
    (400, "plain text", BadModelRequest),
    (418, None, BadModelRequest),
    (301, "moved", BadModelRequest),
    (400, {"error": {"message": "Please reduce the length of the messages or completion."}}, ContextOverflow),
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, ContextOverflow),
    (413, {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}, ContextOverflow),
    (400, {"error": {"message": "Your credit balance is too low to access the API."}}, ModelUnauthorized),
    (400, {"error": {"message": "x", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}, ContentFiltered),
    (403, {"error": {"message": "not allowed"}}, ModelUnauthorized),
    (403, {"error": {"message": "your input was flagged"}}, ContentFiltered),
    (404, {"error": "model 'x' not found"}, UnknownModel),
    (429, {"error": {"message": "slow down"}}, RateLimited),
    (503, None, ModelUnavailable),
]


@pytest.mark.parametrize(("status", "body", "kind"), CASES)
def test_from_status(status: int, body: Any, kind: type[ModelError]) -> None:
    error = from_status("openai/x", status, body, {})
    assert type(error) is kind
    assert str(error).startswith(f"openai/x: {status}: ")


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ModelUnavailable),
        ({"type": "rate_limit_error", "message": "slow down"}, RateLimited),
        ({"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}, ContextOverflow),
        ({"code": 429, "message": "slow down"}, RateLimited),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, RateLimited),
        ({"code": None, "type": "server_error", "message": "sorry"}, ModelUnavailable),
        ("the model failed", ModelUnavailable),
    ],
)
def test_from_body(complaint: Any, kind: type[ModelError]) -> None:
    assert type(from_body("x", complaint)) is kind


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, None, None),
        ({"retry-after": "3"}, None, 3),
        ({"retry-after": "0.5"}, None, 0.5),
        ({"retry-after": "-4"}, None, 0),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "inf"}, None, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, None, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, None, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None, None),
        (
            {},
            {"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "57.5s"}]}},
            57.5,
        ),
        ({}, {"error": {"details": "none"}}, None),
        ({}, ["x"], None),
    ],
)
def test_retry_after(headers: dict[str, str], body: Any, seconds: float | None) -> None:
    assert retry_after_seconds(headers, body) == seconds


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "m", "type": "t"}}, "m"),
        ({"error": "m"}, "m"),
        ({"message": "m"}, "m"),
        ({"detail": [{"msg": "m"}]}, "{'msg': 'm'}"),
        ([{"error": {"message": "m"}}], "m"),
        ("<html>\n  <b>m</b>", "<html> <b>m</b>"),
        (None, "no reason given"),
        ({}, "no reason given"),
        ("m" * 1000, "m" * 500),
    ],
)
def test_message_of(body: Any, message: str) -> None:
    assert message_of(body) == message
