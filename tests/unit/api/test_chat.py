"""Chat over HTTP: what is heard while an agent speaks, and what counts in the end."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from AgentOperatingSystem import AgentOperatingSystem, BaseAgent, Event
from AgentOperatingSystem.agents import PerpetualAgent, PurposeDrivenAgent, progress
from AgentOperatingSystem.api import chat, conversations
from AgentOperatingSystem.errors import ModelUnavailable, Terminal
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import Late, Pieces, ScriptedModel
from tests.servers import Sent, events_of, serving
from tests.unit.api.conftest import HEADERS

SSE = {"Accept": "text/event-stream"}


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, headers=HEADERS, timeout=20) as made:
        yield made


def look(where: str) -> str:
    """Looks somewhere."""
    return f"nothing {where}"


async def clerk(aos: AgentOperatingSystem, *script: Any, **named: Any) -> ScriptedModel:
    """Registers an agent `clerk` whose model says this."""
    model = ScriptedModel(script)
    await aos.register_agent(PerpetualAgent([look], "I am clerk.", agent_id="clerk", model=model, **named))
    return model


async def heard(client: httpx2.AsyncClient, message: str, agent: str = "clerk", **headers: str) -> list[Sent]:
    """The whole stream of one message."""
    sent = {"message": message}
    async with client.stream("POST", f"/api/v1/agents/{agent}/chat", json=sent, headers=SSE | headers) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [event async for event in events_of(answer)]


def kinds(sent: list[Sent]) -> list[str]:
    return [each.event for each in sent]


def data(sent: list[Sent], kind: str) -> list[Any]:
    return [json.loads(each.data) for each in sent if each.event == kind]


async def test_tokens_tools_and_steps_come_as_they_happen_and_the_result_last(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    await clerk(aos, ToolCall("1", "look", {"where": "there"}), Pieces(texts=("Nothing ", "is ", "there.")))
    sent = await heard(client, "What is there?")
    assert kinds(sent) == [
        *("accepted", "step", "tool_call", "tool_result", "step", "token", "token", "token", "result")
    ]
    assert [each["text"] for each in data(sent, "token")] == ["Nothing ", "is ", "there."]
    (call,), (result,) = data(sent, "tool_call"), data(sent, "tool_result")
    assert (call["source"], call["tool"], call["arguments"]) == ("clerk", "look", {"where": "there"})
    assert (result["call"], result["content"], result["is_error"]) == (call["call"], "nothing there", False)
    (outcome,) = data(sent, "result")
    assert (outcome["status"], outcome["result"]) == ("done", "Nothing is there.")
    assert (outcome["event"]["type"], outcome["event"]["conversation"]) == ("aos.chat", "main")
    assert len({each.id for each in sent[:-1]}) == len(sent) - 1
    assert not progress._channels


async def test_without_a_stream_it_answers_as_wait_does(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    await clerk(aos, "Hello.", Late(0.5, "late"))
    path = "/api/v1/agents/clerk/chat"
    done = await client.post(path, json={"message": "Hi.", "conversation": "a"})
    assert (done.status_code, done.json()["result"], done.json()["event"]["conversation"]) == (200, "Hello.", "a")
    late = await client.post(path, json={"message": "Hi.", "conversation": "b"}, params={"wait": 0.05})
    assert (late.status_code, late.json()["status"]) == (202, "accepted")
    assert late.headers["location"] == late.json()["outcome"]


async def test_the_same_key_is_one_turn_and_one_pair_of_messages(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    model = await clerk(aos, "Once.")
    first = await heard(client, "Hi.", **{"Idempotency-Key": "k"})
    again = await heard(client, "Hi.", **{"Idempotency-Key": "k"})
    assert data(first, "result") == data(again, "result")
    assert len(model.requests) == 1
    found = (await client.get("/api/v1/agents/clerk/conversations/main")).json()
    assert [(each["role"], each["text"]) for each in found["items"]] == [("user", "Hi."), ("assistant", "Once.")]
    reused = await client.post("/api/v1/agents/clerk/chat", json={"message": "Ho."}, headers={"Idempotency-Key": "k"})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")


async def test_two_who_listen_to_one_turn_hear_the_same(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    await clerk(aos, Late(0.3, Pieces(texts=("One ", "turn."))))
    headers = {"Idempotency-Key": "k"}
    one, two = await asyncio.gather(heard(client, "Hi.", **headers), heard(client, "Hi.", **headers))
    assert one == two
    assert kinds(one)[-1] == "result"


async def test_who_comes_back_goes_on_where_he_was(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    gate = asyncio.Event()

    async def wait() -> str:
        """Waits."""
        await gate.wait()
        return "waited"

    model = ScriptedModel([ToolCall("1", "wait", {}), "Done."])
    await aos.register_agent(PerpetualAgent([wait], agent_id="clerk", model=model))
    sent: list[Sent] = []
    ask = {"json": {"message": "Hi."}, "headers": SSE | {"Idempotency-Key": "k"}}
    async with client.stream("POST", "/api/v1/agents/clerk/chat", **ask) as answer:  # type: ignore[arg-type]
        async for event in events_of(answer):
            sent.append(event)
            if event.event == "tool_call":
                break
    gate.set()  # the client is gone, the turn is not
    for _ in range(200):
        if len(model.requests) == 2:
            break
        await asyncio.sleep(0.01)
    rest = await heard(client, "Hi.", **{"Idempotency-Key": "k", "Last-Event-ID": sent[-1].id})
    assert data(rest, "result")[0]["result"] == "Done."
    assert "tool_call" not in kinds(rest)
    assert len(model.requests) == 2


async def test_a_try_that_fails_is_told_and_begun_anew(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    await clerk(aos, Pieces(texts=("Half ",), cut=True), ModelUnavailable("down", 0.01), Pieces(texts=("Whole.",)))
    sent = await heard(client, "Hi.")
    assert kinds(sent) == ["accepted", "step", "token", "restarted", "step", "restarted", "step", "token", "result"]
    assert data(sent, "result")[0]["result"] == "Whole."


async def test_a_turn_that_ends_badly_ends_in_a_problem(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    class Refusing(BaseAgent):
        async def on_event(self, event: Event, context: Any) -> Any:
            raise Terminal("not today")

    await aos.register_agent(Refusing)
    (accepted, problem) = await heard(client, "Hi.", "refusing")
    told = json.loads(problem.data)
    assert (accepted.event, problem.event) == ("accepted", "error")
    assert (told["code"], told["status"]) == ("event-failed", 422)
    assert "not today" in told["detail"]


async def test_every_agent_can_be_talked_to(client: httpx2.AsyncClient) -> None:
    sent = await heard(client, "Hi.", "counter")
    assert kinds(sent) == ["accepted", "result"]
    assert data(sent, "result")[0]["result"] == 1


async def test_a_decision_that_may_be_withheld_is_not_told_before_it_is_judged(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    verdict = '{"aligned": false, "reason": "It costs."}'
    cfo = PurposeDrivenAgent("cfo", "Save.", model=ScriptedModel(["Buy a yacht.", verdict]))
    await aos.register_agent(cfo)
    sent = await heard(client, "What now?", "cfo")
    assert kinds(sent) == ["accepted", "step", "result"]
    assert "yacht" not in "".join(each.data for each in sent)


async def test_offline_says_so(client: httpx2.AsyncClient, aos: AgentOperatingSystem) -> None:
    await aos.register_agent(PerpetualAgent(agent_id="clerk"))
    sent = await heard(client, "Hi.")
    assert data(sent, "step") == [{"source": "clerk", "step": "model", "name": "offline"}]
    assert "No model is configured" in "".join(each["text"] for each in data(sent, "token"))


async def test_a_heartbeat_comes_while_nothing_happens(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "HEARTBEAT_SECONDS", 0.05)
    await clerk(aos, Late(0.5, "Hello."))
    async with client.stream("POST", "/api/v1/agents/clerk/chat", json={"message": "Hi."}, headers=SSE) as answer:
        lines = [line async for line in answer.aiter_lines()]
    assert sum(line.startswith(": ping") for line in lines) > 3


async def test_a_slow_listener_is_told_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "TOLD_MAX", 3)
    heard, turn = progress.Channel(), object()
    for number in range(10):
        heard.tell(turn, "token", {"text": str(number)})
    heard.close()
    found = [each async for each in heard.follow()]
    assert [(each.number, each.kind) for each in found] == [(7, "skipped"), (8, "token"), (9, "token"), (10, "token")]
    assert found[0].data == {"count": 7}


async def test_a_drain_ends_the_stream_in_a_problem_and_the_event_is_kept(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    asked = asyncio.create_task(heard(client, "Hi.", "gated", **{"Idempotency-Key": "k"}))
    for _ in range(500):
        if progress._channels:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    aos.kernel.outcomes.give_up()
    sent = await asked
    assert kinds(sent)[-1] == "error"
    assert data(sent, "error")[0]["code"] == "draining"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("clerk", {"message": " "}, 422),
        ("clerk", {"message": "x", "conversation": "y" * 257}, 422),
        ("clerk", {"message": "x", "conversation": ""}, 422),
        ("clerk", {"message": 1}, 422),
        ("clerk", {"message": "x", "more": 1}, 422),
        ("nobody", {"message": "x"}, 404),
        ("aos.unrouted", {"message": "x"}, 403),
    ],
)
async def test_what_is_refused_is_refused_before_the_stream(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem, path: str, body: Any, status: int
) -> None:
    await clerk(aos)
    answer = await client.post(f"/api/v1/agents/{path}/chat", json=body, headers=SSE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not progress._channels


# --- conversations --------------------------------------------------------------------------------------------------


async def test_conversations_are_listed_read_in_pages_and_deleted(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    await clerk(aos, *(f"a{number}" for number in range(42)))
    for number in range(41):
        sent = {"message": f"q{number}", "conversation": "a/b c"}
        assert (await client.post("/api/v1/agents/clerk/chat", json=sent)).status_code == 200
    await client.post("/api/v1/agents/clerk/chat", json={"message": "else"})
    path = "/api/v1/agents/clerk/conversations"
    listed = (await client.get(path)).json()
    assert [(each["conversation"], each["messages"]) for each in listed["items"]] == [("a/b c", 82), ("main", 2)]
    first = (await client.get(f"{path}/a%2Fb%20c", params={"limit": 80})).json()
    rest = (await client.get(f"{path}/a%2Fb%20c", params={"after": first["after"]})).json()
    assert [each["text"] for each in (first["items"] + rest["items"])[::2]] == [f"q{number}" for number in range(41)]
    assert (first["after"], rest["after"]) == ("80", "")
    newest = (await client.get(f"{path}/a%2Fb%20c", params={"newest": True, "limit": 2})).json()
    assert [each["text"] for each in newest["items"]] == ["q40", "a40"]
    deleted = await client.delete(f"{path}/a%2Fb%20c")
    assert (deleted.status_code, deleted.json()) == (200, {"agent": "clerk", "conversation": "a/b c"})
    assert (await client.get(f"{path}/a%2Fb%20c")).status_code == 404
    assert (await client.delete(f"{path}/a%2Fb%20c")).status_code == 404
    rows = aos.context_server("clerk").stored
    assert len(await rows.read_rows("message", "", "", 1000)) == 2


async def test_what_was_deleted_is_not_remembered_by_a_warm_agent(
    client: httpx2.AsyncClient, aos: AgentOperatingSystem
) -> None:
    model = await clerk(aos, "a", "b")
    chatting = "/api/v1/agents/clerk/chat"
    await client.post(chatting, json={"message": "secret"})
    await client.delete("/api/v1/agents/clerk/conversations/main")
    assert (await client.post(chatting, json={"message": "What did I say?"})).json()["result"] == "b"
    assert [message.text for message in model.requests[-1].messages] == ["I am clerk.", "What did I say?"]


@pytest.mark.parametrize("path", ["clerk/conversations", "clerk/conversations/main", "counter/conversations/none"])
async def test_what_is_not_there_is_not_found(client: httpx2.AsyncClient, path: str) -> None:
    await client.post("/api/v1/agents/counter/events", params={"wait": 5}, json={})
    assert (await client.get(f"/api/v1/agents/{path}")).status_code == 404
    assert conversations._number("7") == 7
