"""Every error is a problem document; none shows a traceback."""

import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.routing import Route

from AgentOperatingSystem.api.problems import problem_of
from AgentOperatingSystem.errors import AOSError, Overloaded, UnknownAgent
from tests.servers import serving
from tests.unit.api.conftest import HEADERS


def test_our_own_errors_say_what_they_are() -> None:
    problem = problem_of(UnknownAgent("no agent 'x'"))
    assert (problem.status, problem.code, problem.detail) == (404, "unknown-agent", "no agent 'x'")
    assert (problem.type, problem.title) == ("docs/errors.md#unknown-agent", "Unknown agent")
    assert problem_of(Overloaded("full", 2.5)).retry_after_seconds == 2.5
    assert problem_of(AOSError("")).detail == "Internal Server Error"


async def test_routes_and_methods_that_are_not_there(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/api/v1", "/api/v2/agents", "/api/v1/agents/counter/nothing", "/api/v1/agents//events"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), path
    answer = await client.put("/api/v1/agents/counter/events")
    assert (answer.status_code, answer.json()["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_failure_of_our_own_is_logged_and_not_shown(
    app: FastAPI, client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(request: object) -> None:
        raise ZeroDivisionError("a secret detail")

    app.router.routes.append(Route("/fails", fails))
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/fails")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_a_failure_in_the_middle_of_an_answer_breaks_it_off(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    async def halves() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise ZeroDivisionError

    async def fails(request: object) -> StreamingResponse:
        return StreamingResponse(halves())

    app.router.routes.append(Route("/fails", fails))
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.get("/fails")
        assert (await client.get("/health/ready")).status_code == 200
    assert "GET /fails failed in the middle of its answer" in caplog.text
