"""The border where providers' complaints become ours: an HTTP status and a body in, a `ModelError` out. Pure.

`http` calls it for a refused request, wires for a complaint within an answer or a stream. Sources: the error pages of
the providers, named at each table.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

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

_MESSAGE_LENGTH_MAX = 500
# Spoken by OpenAI, Azure, Groq, vLLM ("maximum context length is"), Anthropic ("prompt is too long"), Gemini ("input
# token count exceeds"), Mistral ("too large for model with"), Ollama ("exceeds context").
_OVERFLOW = re.compile(
    r"context.?(length|window)|maximum context|exceeds?\b.*\bcontext|prompt is too long|input token count"
    r"|too large for model|reduce the length of (the|your) (messages|prompt)|request_too_large",
    re.IGNORECASE,
)
# https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter, https://openrouter.ai/docs/api/reference/errors-and-debugging
_FILTERED = re.compile(r"content_filter|content_policy|ResponsibleAIPolicyViolation|moderation|flagged", re.IGNORECASE)
# Gemini says 400 for a bad key, Anthropic for an empty account.
_KEY = re.compile(r"API_KEY_INVALID|API key not valid|credit balance is too low", re.IGNORECASE)
# https://platform.claude.com/docs/en/api/errors; OpenAI's stream errors have types of this shape as well
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def from_status(who: str, status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
    """The error for a refused call. `headers` has lower-case names."""
    said = f"{who}: {status}: {message_of(body)}"
    words = f"{_code_of(body)} {message_of(body)}"
    if status in (408, 409, 425) or status >= 500:
        return ModelUnavailable(said, retry_after_seconds(headers, body))
    if status == 429:
        return RateLimited(said, retry_after_seconds(headers, body))
    if status in (400, 403, 413, 422) and _FILTERED.search(words):
        return ContentFiltered(said)
    if status in (401, 402, 403) or _KEY.search(words):
        return ModelUnauthorized(said)
    if status == 404:
        return UnknownModel(said)
    return ContextOverflow(said) if status == 413 or _OVERFLOW.search(words) else BadModelRequest(said)


def from_body(who: str, complaint: Any) -> ModelError:
    """The error for a complaint that came with status 200, whole or within a stream."""
    return from_status(who, _status_of(complaint), {"error": complaint}, {})


def message_of(body: Any) -> str:
    """What the provider says for people, wherever it puts it: `error.message`, `error`, `message`, `detail`, text."""
    if isinstance(body, list):
        body = body[0] if body else ""
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            return message_of(body[key])
    return " ".join(str(body or "no reason given").split())[:_MESSAGE_LENGTH_MAX]


def retry_after_seconds(headers: Mapping[str, str], body: Any) -> float | None:
    """How long the provider wants to be left alone; None where it does not say.

    Reads `retry-after-ms` (OpenAI, Azure), `Retry-After` in seconds or as a date against the answer's own `Date`
    (RFC 9110, section 10.2.3), and Google's `RetryInfo` in the body (google.rpc.RetryInfo).
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after", "")
    seconds = _number(after)
    if seconds is None and after:
        seconds = _seconds_between(headers.get("date", ""), after)
    return seconds if seconds is not None else _google_delay(body)


def _code_of(body: Any) -> str:
    """What the provider says for programs."""
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        return ""
    parts = (error.get("code"), error.get("type"), error.get("status"), error.get("innererror"), error.get("details"))
    return " ".join(str(part) for part in parts if part)


def _status_of(complaint: Any) -> int:
    """The HTTP status that a complaint would have had: its own number, or that of its type; 500 where it has none."""
    if not isinstance(complaint, dict):
        return 500
    code = complaint.get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return _STATUS_OF_TYPE.get(str(code), _STATUS_OF_TYPE.get(str(complaint.get("type")), 500))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(number, 0.0) if number < float("inf") else None


def _seconds_between(earlier: str, later: str) -> float | None:
    start, end = _date(earlier), _date(later)
    return max((end - start).total_seconds(), 0.0) if start and end else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def _google_delay(body: Any) -> float | None:
    error = body.get("error") if isinstance(body, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            return _number(str(detail.get("retryDelay", "")).removesuffix("s"))
    return None
