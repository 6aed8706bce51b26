"""Azure Container Apps sessions, against a loopback server that answers in the form of the service's description."""

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from AgentOperatingSystem.errors import (
    AOSError,
    ConfigurationError,
    InvalidInput,
    Overloaded,
    ServiceError,
    TooLarge,
)
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.tools.sandbox.azure import API_VERSION, AzureSandbox, SessionPool, read_answer, wrapped
from AgentOperatingSystem.tools.sandbox.records import ExitReason
from AgentOperatingSystem.tools.sandbox.run_python import RunPython
from tests.loopback import Answer, Asked, Server, serving

KEY = bytes(range(32))
CEO = AgentId("ceo", "1")
# The responses of CodeExecution_Execute_Sync and of the service's errors, in Microsoft.App.DynamicSessions
# 2025-10-02-preview; what our wrapper prints goes into `stdout`.
EXECUTED: dict[str, Any] = {
    "id": "testExecutionId",
    "identifier": "testSessionIdentifier",
    "executionType": "Synchronous",
    "status": "Succeeded",
    "result": {"stdout": "63/n", "stderr": "", "executionResult": "", "executionTimeInMilliseconds": 4},
}
FAILED = {
    **EXECUTED,
    "status": "Failed",
    "result": None,
    "error": {"error": {"code": "Timeout", "message": "too long"}},
}


@dataclass(frozen=True)
class Issued:
    token: str = "a.token"


class Signed:
    """A credential that says what it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str) -> Issued:
        self.scopes += scopes
        return Issued()


class Service:
    """Runs what it is sent, as a session's Python would, and answers in the service's form."""

    def __init__(self) -> None:
        self.answer: Callable[[Asked], Answer] = self.execute

    def __call__(self, asked: Asked) -> Answer:
        return self.answer(asked)

    def execute(self, asked: Asked) -> Answer:
        if asked.method == "DELETE":
            return Answer(status=204)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            exec(json.loads(asked.body)["code"], {})
        limit = json.loads(asked.body)["outputStreamsMaxLength"]
        result = {**EXECUTED["result"], "stdout": out.getvalue()[:limit], "stderr": err.getvalue()[:limit]}
        return as_json({**EXECUTED, "result": result})


def as_json(body: Any, status: int = 200, **headers: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/json", **headers}, json.dumps(body).encode())


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def server(service: Service) -> AsyncIterator[Server]:
    async with serving(service) as running:
        yield running


@pytest.fixture
def pool(server: Server) -> SessionPool:
    return SessionPool(endpoint=f"{server.url}/subscriptions/s/sessionPools/p/", key=KEY)


async def test_a_program_runs_in_the_session_of_its_run(server: Server, pool: SessionPool) -> None:
    credential = Signed()
    told = await AzureSandbox(pool, CEO, "run-1", credential).run(
        "print('out'); result = [inputs, 'ü']", inputs={"a": 1}, timeout_seconds=1.2, output_bytes_max=1000
    )
    assert (told.reason, told.stdout, told.result, told.exit_code) == (ExitReason.DONE, "out\n", [{"a": 1}, "ü"], 0)
    assert told.duration_seconds == 0.004
    (asked,) = server.asked
    parts = urlsplit(asked.target)
    assert (asked.method, parts.path) == ("POST", "/subscriptions/s/sessionPools/p/executions")
    assert parse_qs(parts.query) == {"api-version": [API_VERSION], "identifier": [pool.session_id(CEO, "run-1")]}
    assert asked.headers["authorization"] == "Bearer a.token"
    assert credential.scopes == ["https://dynamicsessions.io/.default"]
    body = json.loads(asked.body)
    assert {**body, "code": ""} == {
        "codeInputType": "Inline",
        "executionType": "Synchronous",
        "code": "",
        "timeoutInSeconds": 2,
        "outputStreamsMaxLength": 2024,
    }


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('no')", 1, ""),
        ("result = {1, 2}", 1, "not JSON serializable"),
        ("print('a'", 1, "SyntaxError"),
    ],
)
async def test_a_program_that_fails_is_an_answer(pool: SessionPool, code: str, exit_code: int, stderr: str) -> None:
    told = await AzureSandbox(pool, CEO, "r", Signed()).run(code)
    assert (told.reason, told.exit_code, told.result) == (ExitReason.ERROR, exit_code, None)
    assert stderr in told.stderr


async def test_too_much_output(pool: SessionPool) -> None:
    told = await AzureSandbox(pool, CEO, "r", Signed()).run("print('x' * 10_000)", output_bytes_max=100)
    assert (told.reason, told.stdout, told.result) == (ExitReason.OUTPUT, "x" * 100, None)


def test_the_documented_answer_without_our_mark_is_no_success() -> None:
    told = read_answer(EXECUTED, "mark", late=False, output_bytes_max=100)
    assert (told.reason, told.stdout) == (ExitReason.LOST, "63/n")


def test_a_failed_execution() -> None:
    late = read_answer(FAILED, "mark", late=True, output_bytes_max=100)
    assert (late.reason, late.stderr) == (ExitReason.DEADLINE, "Timeout: too long")
    assert read_answer(FAILED, "mark", late=False, output_bytes_max=100).reason is ExitReason.LOST


@pytest.mark.parametrize(
    "outcome", ["", "{", "[]", '{"exit_code": "x", "result": 1}', '{"exit_code": 0}', "[" * 99_999]
)
def test_a_forged_outcome_is_no_success(outcome: str) -> None:
    answer = {**EXECUTED, "result": {**EXECUTED["result"], "stdout": "said" + "mark" + outcome}}
    told = read_answer(answer, "mark", late=False, output_bytes_max=1 << 20)
    assert (told.reason, told.stdout, told.result) == (ExitReason.LOST, "said", None)


def test_an_unknown_status_is_an_error() -> None:
    with pytest.raises(ServiceError, match="unknown status 'Paused'"):
        read_answer({**EXECUTED, "status": "Paused"}, "mark", late=False, output_bytes_max=1)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (as_json({"error": {"code": "Denied", "message": "no role"}}, 403), ConfigurationError, "Session Executor"),
        (as_json({}, 401), ConfigurationError, "401"),
        (as_json({"error": {"code": "Full", "message": "wait"}}, 429, Retry_After="7"), Overloaded, "429 Full: wait"),
        (as_json({"error": {"code": "Oops", "message": "later"}}, 500), ServiceError, "500 Oops: later"),
        (Answer(body=b"<html>"), ServiceError, "not a JSON object"),
        (Answer(body=b"[]"), ServiceError, "not a JSON object"),
        (Answer(302, {"Location": "http://169.254.169.254/"}), ServiceError, "302"),
        (Answer(body=b"x" * 600_000), ServiceError, "larger than"),
        (Answer(headers={"Content-Length": "5"}), ServiceError, "RemoteProtocolError"),
    ],
)
async def test_what_the_service_refuses(
    service: Service, pool: SessionPool, answer: Answer, error: type[AOSError], message: str
) -> None:
    service.answer = lambda asked: answer
    with pytest.raises(error, match=message) as raised:
        await AzureSandbox(pool, CEO, "r", Signed()).run("", output_bytes_max=1000)
    if isinstance(raised.value, Overloaded):
        assert raised.value.retry_after_seconds == 7


async def test_a_closed_sandbox_has_no_session(server: Server, pool: SessionPool) -> None:
    await AzureSandbox(pool, CEO, "r", Signed()).close()
    (asked,) = server.asked
    assert asked.method == "DELETE"
    assert asked.target.startswith("/subscriptions/s/sessionPools/p/session?")


def test_no_two_runs_share_a_session() -> None:
    pool = SessionPool(endpoint="https://x.dynamicsessions.io/p", key=KEY)
    agents = [AgentId("a", "b"), AgentId("ab"), AgentId("a", "bc"), AgentId("a", "b", "t")]
    names = {pool.session_id(agent, run) for agent in agents for run in ("", "c", "bc")}
    assert len(names) == len(agents) * 3
    assert all(re.fullmatch(r"[0-9a-f]{64}", name) for name in names)
    other = SessionPool(endpoint="https://x.dynamicsessions.io/p", key=KEY[::-1])
    assert other.session_id(CEO, "") != pool.session_id(CEO, "") == pool.session_id(CEO, "")


@pytest.mark.parametrize(("endpoint", "key"), [("http://pool.example", KEY), ("https://pool.example", KEY[:31])])
def test_a_pool_that_would_leak(endpoint: str, key: bytes) -> None:
    with pytest.raises(ConfigurationError, match="session pool"):
        SessionPool(endpoint=endpoint, key=key)


@pytest.mark.parametrize("seconds", [0, -1, 221, float("nan"), float("inf")])
async def test_times_that_a_session_does_not_allow(pool: SessionPool, seconds: float) -> None:
    with pytest.raises(InvalidInput, match="timeout_seconds"):
        await AzureSandbox(pool, CEO, "r", Signed()).run("", timeout_seconds=seconds)


def test_inputs_cannot_break_out_of_the_wrapper() -> None:
    evil = "\"\"\")\nimport os\nos.abort()  # '''"
    code = wrapped("result = inputs", evil, "mark")
    assert evil not in code
    assert base64.b64encode(b"{").decode()[:1] in code
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    assert json.loads(out.getvalue().removeprefix("mark"))["result"] == evil
    with pytest.raises(InvalidInput):
        wrapped("", object(), "mark")
    with pytest.raises(TooLarge):
        wrapped("x" * (9 << 20), None, "mark")


def test_the_vendor_s_library_is_loaded_only_when_it_is_needed() -> None:
    program = "import sys, AgentOperatingSystem.tools.sandbox.azure; print(*sys.modules)"
    listed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert [name for name in listed.stdout.split() if name.partition(".")[0] == "azure"] == []


async def test_a_model_s_program_leaves_its_files_and_the_session_as_it_was(pool: SessionPool) -> None:
    here, main = os.getcwd(), sys.modules["__main__"]
    tool = RunPython(AzureSandbox(pool, CEO, "r", Signed()))
    code = "import pathlib; pathlib.Path('a.txt').write_text('x'); print(__name__); result = 1"
    assert json.loads((await tool.call({"code": code})).content) == {
        "printed": "__main__\n",
        "result": 1,
        "files": {"a.txt": 1},
    }
    failed = await tool.call({"code": "1 / 0"})
    assert failed.is_error
    assert "ZeroDivisionError" in failed.content
    assert (os.getcwd(), sys.modules["__main__"]) == (here, main)
