"""The effect ledger, approvals, questions and jobs over HTTP."""

import asyncio
from functools import partial
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem, BaseAgent, Context, Event
from AgentOperatingSystem.errors import Retryable
from AgentOperatingSystem.tools.function_tool import tool
from AgentOperatingSystem.tools.records import Submitted
from tests.waiting import until

EFFECTS, APPROVALS, JOBS = "/api/v1/effects", "/api/v1/approvals", "/api/v1/jobs"
calls: list[Any] = []


@pytest.fixture
def settings() -> dict[str, object]:
    return {"clock_skew_seconds": 0.05}


@tool(timeout_seconds=0.2)
async def refund(order: str) -> str:
    calls.append(order)
    if order == "stuck":
        await asyncio.Event().wait()
    return f"refunded {order}"


@tool(approval="always")
async def pay(order: str) -> str:
    calls.append(order)
    return f"paid {order}"


@tool(effect="idempotent")
async def train(order: str, idempotency_key: str) -> Submitted:
    calls.append(order)
    return Submitted(f"job-{order}", expires_seconds=3600)


class Office(BaseAgent):
    """Does what it is told to."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if event.type == "ask":
            return await context.ask_human(event.data, ["yes", "no"])
        if event.type == "diverge":
            await context.call(refund, order=f"try {context.attempt}")
            raise Retryable(after_seconds=0)
        made = await context.call({"refund": refund, "pay": pay, "train": train}[event.type], order=event.data)
        return {"content": made.content, "is_error": made.is_error}


@pytest.fixture(autouse=True)
async def office(aos: AgentOperatingSystem) -> None:
    calls.clear()
    await aos.register_agent(Office)


async def put(client: httpx2.AsyncClient, type: str, data: str, status: str) -> str:
    """An event of the office as it stands then: its path behind a desk's."""
    said = {"type": type, "data": data, "id": f"{type}-{data}", "source": "/people/ada"}
    await client.post("/api/v1/agents/office/events", params={"key": "k"}, json=said)
    found = await end(client, f"{type}-{data}", status)
    return f"/office/{found['event_key']}"


async def end(client: httpx2.AsyncClient, event_id: str, status: str = "done") -> dict[str, Any]:
    ask = partial(client.get, f"/api/v1/agents/office/events/{event_id}", params={"key": "k", "source": "/people/ada"})
    found: dict[str, Any] = (await until(ask, lambda answer: answer.json().get("status") == status)).json()
    return found


async def posted(client: httpx2.AsyncClient, path: str, **said: Any) -> httpx2.Response:
    return await client.post(path, params={"key": "k"}, json=said)


async def test_a_call_in_doubt_is_shown_and_confirmed(client: httpx2.AsyncClient) -> None:
    path = EFFECTS + await put(client, "refund", "stuck", "in_doubt")
    listed = (await client.get(EFFECTS)).json()
    shown = (await client.get(path, params={"key": "k"})).json()
    assert listed == {"items": [shown["outcome"]], "after": ""}
    (step,) = shown["steps"]
    assert (step["about"], step["status"], step["effect"]) == ({"order": "stuck"}, "intent", "at_most_once")
    assert shown["in_doubt"] == [step["step"]]
    assert step["deadline"] < shown["decidable_at"]
    answer = await posted(client, f"{path}/confirm", result={"ok": True}, by="bob")
    assert (answer.status_code, answer.json()["status"]) == (200, "parked")
    assert (await end(client, "refund-stuck"))["result"] == {"content": '{"ok":true}', "is_error": False}
    again = await posted(client, f"{path}/confirm", step=step["step"], by="bob")
    assert (again.status_code, again.json()["code"]) == (409, "illegal-transition")
    assert (await client.get(EFFECTS)).json()["items"] == []
    assert calls == ["stuck"]


async def test_a_call_in_doubt_failed(client: httpx2.AsyncClient) -> None:
    path = EFFECTS + await put(client, "refund", "stuck", "in_doubt")
    assert (await posted(client, f"{path}/fail", reason="no money")).status_code == 200
    assert (await end(client, "refund-stuck"))["result"] == {"content": "the call failed: no money", "is_error": True}


async def test_a_call_in_doubt_is_made_again(client: httpx2.AsyncClient) -> None:
    path = EFFECTS + await put(client, "refund", "stuck", "in_doubt")
    assert (await posted(client, f"{path}/retry")).status_code == 200
    await until(partial(asyncio.sleep, 0, None), lambda _: len(calls) == 2)
    early = await posted(client, f"{path}/retry")
    assert early.status_code == 409
    assert "no verdict before 20" in early.json()["detail"]


async def test_what_diverged_is_dropped(client: httpx2.AsyncClient) -> None:
    path = EFFECTS + await put(client, "diverge", "d", "diverged")
    answer = await posted(client, f"{path}/drop", reason="a mess", by="bob")
    assert (answer.json()["status"], answer.json()["reason"]) == ("cancelled", "dropped by bob: a mess")
    assert (await posted(client, f"{path}/retry")).status_code == 409


async def test_an_approval(client: httpx2.AsyncClient) -> None:
    path = APPROVALS + await put(client, "pay", "o-1", "waiting")
    (asked,) = (await client.get(APPROVALS)).json()["items"]
    assert (await client.get(path, params={"key": "k"})).json()["items"] == [asked]
    assert (asked["wants"]["tool"], asked["wants"]["arguments"]) == ("pay", {"order": "o-1"})
    hash = asked["wants"]["hash"]
    own = await posted(client, f"{path}/approve", by="ada", hash=hash)
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    other = await posted(client, f"{path}/approve", by="bob", hash="0" * 64)
    assert (other.status_code, other.json()["code"]) == (409, "illegal-transition")
    assert (await posted(client, f"{path}/approve", by="bob")).status_code == 422
    assert calls == []
    approved = await posted(client, f"{path}/approve", by="bob", hash=hash, reason="fine")
    assert (approved.status_code, approved.json()["decided_by"], approved.json()["open"]) == (200, "bob", False)
    assert (await end(client, "pay-o-1"))["result"] == {"content": "paid o-1", "is_error": False}
    twice = await posted(client, f"{path}/deny", by="eve")
    assert (twice.status_code, "decided by bob already" in twice.json()["detail"]) == (409, True)
    assert calls == ["o-1"]


async def test_a_denial(client: httpx2.AsyncClient) -> None:
    path = APPROVALS + await put(client, "pay", "o-1", "waiting")
    assert (await posted(client, f"{path}/deny", by="bob", reason="no")).status_code == 200
    told = (await end(client, "pay-o-1"))["result"]
    assert (told, calls) == ({"content": "pay was not called: denied by bob: no", "is_error": True}, [])


async def test_a_question(client: httpx2.AsyncClient) -> None:
    path = APPROVALS + await put(client, "ask", "Go", "waiting")
    assert (await posted(client, f"{path}/answer", by="ada", answer="perhaps")).status_code == 422
    assert (await posted(client, f"{path}/answer", by="ada", answer="yes")).status_code == 200
    assert (await end(client, "ask-Go"))["result"] == "yes"


async def test_a_job_ends(client: httpx2.AsyncClient) -> None:
    path = JOBS + await put(client, "train", "t", "waiting")
    assert (await client.get(APPROVALS)).json()["items"] == []  # nothing that a person is asked
    assert (await posted(client, path, job_id="other", result=1)).status_code == 404
    assert (await posted(client, path, job_id="job-t", result={"loss": 0.1})).status_code == 200
    assert (await end(client, "train-t"))["result"] == {"content": '{"loss":0.1}', "is_error": False}
    assert (await posted(client, path, job_id="job-t", error="late")).status_code == 409
    assert calls == ["t"]


async def test_what_is_not_there(client: httpx2.AsyncClient) -> None:
    for place in (EFFECTS, APPROVALS):
        assert (await client.get(f"{place}/office/{'0' * 32}")).status_code == 404
    assert (await client.get(EFFECTS, params={"after": "nonsense"})).status_code == 422
