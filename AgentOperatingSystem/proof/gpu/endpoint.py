"""An Azure Machine Learning endpoint and workspace on loopback: real HTTP, planned faults, no GPU.

    async with serving(Service(at_once=8)) as service:
        service.plan += ["503", "429", "cut"]

Tests and proofs point `azureml/…` and the jobs' client at `service.url`. It answers chat completions at `/v1`, a
scoring script at `/score`, and Resource Manager's routes of jobs everywhere else.
"""

import asyncio
import json
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_BUSY = "Too many pending requests"


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Service:
    """How it is to behave, and what happened."""

    at_once: int = 1_000_000
    """Calls that it serves at the same time; one more is told 429."""
    answer_seconds: float = 0.0
    token_seconds: float = 0.0
    """Between two pieces of a stream."""
    retry_seconds: float = 1.0
    """What a 429 asks for."""
    letters: set[str] = field(default_factory=set)
    """Keys and tokens that it takes; none means that it asks for none."""
    plan: deque[str] = field(default_factory=deque)
    """What becomes of the next calls: `503`, `429`, `408`, `424`, `cut`, `hang`, or `ok`."""
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    job_seconds: float | None = None
    """After this time a job ends well; None means when somebody says so."""
    refused: set[str] = field(default_factory=set)
    """Commands of jobs that it does not take."""
    puts: Counter[str] = field(default_factory=Counter)
    """How often each job was submitted."""
    begun: dict[str, float] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    answered: int = 0
    busy: int = 0
    busy_max: int = 0
    url: str = ""

    def end(self, job: str, status: str = "Completed", **outputs: str) -> None:
        """A job comes to its end."""
        properties = self.jobs[job]["properties"]
        properties["status"] = status
        properties["outputs"] = {name: {"jobOutputType": "uri_folder", "uri": uri} for name, uri in outputs.items()}


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    """The service, for the length of a block."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(_talk(service, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=2048)
    service.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield service
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


async def _talk(service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        asked = await _read(reader)
        service.asked.append(asked)
        await _answer(service, asked, writer)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, target.partition("?")[0], headers, json.loads(body) if body else None)


async def _answer(service: Service, asked: Asked, writer: asyncio.StreamWriter) -> None:
    letter = asked.headers.get("authorization", "").removeprefix("Bearer ")
    if service.letters and letter not in service.letters:
        _write(writer, 401, {"error": {"message": "the token is expired"}})
    elif "/jobs/" in asked.path:
        _write(writer, *_job(service, asked))
    elif (fault := service.plan.popleft() if service.plan else "ok") in ("ok", "cut"):
        await _serve(service, asked, writer, cut=fault == "cut")
    elif fault == "hang":
        await asyncio.Event().wait()
    else:
        _refuse(service, writer, int(fault))


def _refuse(service: Service, writer: asyncio.StreamWriter, status: int) -> None:
    said = {429: _BUSY, 503: "no instance is ready", 408: "Request timeout", 424: "Model error"}
    headers = {"Retry-After": str(service.retry_seconds)} if status == 429 else {}
    if status == 424:
        headers = {"ms-azureml-model-error-statuscode": "503", "ms-azureml-model-error-reason": "loading the model"}
    _write(writer, status, {"error": {"message": said.get(status, "as planned")}}, headers)


async def _serve(service: Service, asked: Asked, writer: asyncio.StreamWriter, *, cut: bool) -> None:
    if service.busy >= service.at_once:
        _refuse(service, writer, 429)
        return
    service.busy += 1
    service.busy_max = max(service.busy_max, service.busy)
    try:
        await asyncio.sleep(service.answer_seconds)
        if asked.path.endswith("/score"):
            said = _said(
                asked.body["input_data"]["parameters"].get("adapter"), asked.body["input_data"]["input_string"]
            )
            _write(writer, 200, {"output": said})
        elif asked.body.get("stream"):
            await _stream(service, asked.body, writer, cut=cut)
        elif cut:
            writer.transport.abort()
        else:
            _write(writer, 200, _completion(asked.body))
        service.answered += not cut
    finally:
        service.busy -= 1


def _said(model: Any, messages: list[dict[str, Any]]) -> str:
    return f"{model or 'base'}: {messages[-1]['content']}"


def _completion(body: dict[str, Any]) -> dict[str, Any]:
    """Says the model and the question; calls the first tool where it has some and nobody has used them yet; fits the
    schema of verdicts.
    """
    last = body["messages"][-1]
    text, calls = _said(body.get("model"), body["messages"]), None
    if body.get("response_format"):
        text = json.dumps({"aligned": True, "reason": "it serves the purpose"})
    if body.get("tools") and last["role"] == "user":
        function = {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps({"data": last["content"]})}
        calls = [{"id": "call-1", "index": 0, "type": "function", "function": function}]
    message = {"role": "assistant", "content": None if calls else text, "tool_calls": calls}
    return {
        "id": "answer",
        "model": body.get("model", "base"),
        "choices": [{"message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    }


async def _stream(service: Service, body: dict[str, Any], writer: asyncio.StreamWriter, *, cut: bool) -> None:
    whole = _completion(body)
    choice = whole["choices"][0]
    words = re.findall(r"\S+\s*", choice["message"]["content"] or "")
    writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    for word in words[: len(words) // 2] if cut else words:
        _event(writer, {"choices": [{"delta": {"content": word}}]})
        await writer.drain()
        await asyncio.sleep(service.token_seconds)
    if cut:
        return
    _event(writer, {"choices": [{"delta": {"tool_calls": choice["message"]["tool_calls"]}}]})
    _event(writer, {"choices": [{"delta": {}, "finish_reason": choice["finish_reason"]}], "usage": whole["usage"]})
    writer.write(b"data: [DONE]\n\n")


def _event(writer: asyncio.StreamWriter, value: Any) -> None:
    writer.write(b"data: " + json.dumps(value).encode() + b"\n\n")


def _job(service: Service, asked: Asked) -> tuple[int, Any]:
    name, _, verb = asked.path.partition("/jobs/")[2].partition("/")
    if asked.method == "PUT" and asked.body["properties"].get("command") in service.refused:
        return 400, {"error": {"code": "UserError", "message": "this job cannot be"}}
    if asked.method == "PUT":
        service.puts[name] += 1
        service.begun.setdefault(name, time.monotonic())
        new = name not in service.jobs
        job = service.jobs.setdefault(name, {"name": name, "properties": {**asked.body["properties"]}})
        job["properties"].setdefault("status", "Running")
        return (201 if new else 200), job
    if name not in service.jobs:
        return 404, {"error": {"code": "NotFound", "message": f"no job {name}"}}
    if verb == "cancel":
        service.end(name, "Canceled")
        return 202, None
    if service.job_seconds is not None and time.monotonic() - service.begun[name] > service.job_seconds:
        service.end(name)
    return 200, service.jobs[name]


def _write(writer: asyncio.StreamWriter, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
    body = b"" if value is None else json.dumps(value).encode()
    said = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {text}" for name, text in {**said, **(headers or {})}.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
