"""Errors as RFC 9457 problem documents: one shape for everything that goes wrong, never a traceback.

The guard hands every exception here; what is none of ours becomes a 500 with an entry in the log and no details in the
answer.
"""

import logging
import math
from http import HTTPStatus

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Send

from AgentOperatingSystem.errors import AOSError, Unauthorized
from AgentOperatingSystem.observability.redaction import redact

PROBLEM_JSON = b"application/problem+json"
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed"}
_encode = msgspec.json.Encoder().encode
_log = logging.getLogger(__name__)


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A problem document."""

    type: str
    """Where the error is explained."""
    title: str
    status: int
    code: str
    """Stable: what programs look at."""
    detail: str
    retry_after_seconds: float | None = None
    """Where trying again makes sense: after so many seconds."""


def problem_of(error: Exception) -> Problem:
    """The document for an exception; one that is not ours is logged and told without details."""
    if isinstance(error, AOSError):
        retry_after_seconds = getattr(error, "retry_after_seconds", None)
        return _problem(error.status, error.code, str(error), error.docs_url, retry_after_seconds)
    if isinstance(error, RequestValidationError):
        return _problem(422, "invalid-input", _complaints(error), "docs/errors.md#invalid-input")
    if isinstance(error, HTTPException):
        code = _HTTP_CODES.get(error.status_code, f"http-{error.status_code}")
        return _problem(error.status_code, code, _detail(error), f"docs/errors.md#{code}")
    _log.error("a request failed in the system itself", exc_info=error)
    return _problem(500, "internal", "the system failed at this request; its log says how", "docs/errors.md#internal")


async def send_problem(send: Send, error: Exception) -> None:
    """Answers a request with the problem that an exception is."""
    problem = problem_of(error)
    body = _encode(problem)
    headers = [(b"content-type", PROBLEM_JSON), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if problem.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(problem.retry_after_seconds))))
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, HTTPException) and error.headers:
        headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _problem(status: int, code: str, detail: str, docs_url: str, retry_after_seconds: float | None = None) -> Problem:
    return Problem(
        type=docs_url,
        title=code.replace("-", " ").capitalize(),
        status=status,
        code=code,
        detail=redact(detail) or HTTPStatus(status).phrase,
        retry_after_seconds=retry_after_seconds,
    )


def _detail(error: HTTPException) -> str:
    return {404: "there is no such route", 405: "the route does not know this method"}.get(
        error.status_code, str(error.detail)
    )


def _complaints(error: RequestValidationError) -> str:
    """`limit: input should be less than or equal to 1000`, for each parameter that is wrong."""
    lines = (
        f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg'][:1].lower()}{each['msg'][1:]}" for each in error.errors()
    )
    return "; ".join(lines)
