"""Who asks and who decides is the caller whom the door has let in, whatever a body says."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from AgentOperatingSystem import AgentOperatingSystem
from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.auth.tokens_file import TokensFile
from AgentOperatingSystem.ids import event_key
from AgentOperatingSystem.ml import ModelRequest, ScriptedModel, ToolCall
from AgentOperatingSystem.tools.function_tool import tool
from tests.unit.api.conftest import TOKEN

PEOPLE = ("alice", "bob")


@tool(approval="always")
def refund(order: str) -> str:
    """Gives the money of an order back."""
    return f"refunded {order}"


def answer(request: ModelRequest) -> Any:
    said = request.messages[-1]
    return ToolCall("call-1", "refund", {"order": "o-1"}) if said.role == "user" else "It is done."


class Clerk(PerpetualAgent):
    """Refunds."""

    def __init__(self) -> None:
        super().__init__([refund], "I am clerk.", model=ScriptedModel(answer))


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, object]:
    return {"tokens_file": tmp_path / "tokens.json"}


@pytest.fixture
async def as_(aos: AgentOperatingSystem, client: httpx2.AsyncClient, tmp_path: Path) -> dict[str, dict[str, str]]:
    """The headers of each person, of a gateway that speaks for others, and of whoever has the shared token."""
    await aos.register_agent(Clerk())
    file = TokensFile(tmp_path / "tokens.json")
    tokens = {name: file.add(name) for name in PEOPLE}
    tokens |= {"gateway": file.add("gateway", speaks_for_others=True), "shared": TOKEN}
    return {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}


async def asks(client: httpx2.AsyncClient, headers: dict[str, str], event_id: str, **principal: str) -> str:
    """Has the clerk ask for an approval; answers the event's key."""
    event = {"specversion": "1.0", "id": event_id, "source": "/people/bob", "type": "refund", "aosagent": "clerk"}
    sent = await client.post(
        "/api/v1/events",
        json={**event, "data": "Refund o-1", **principal},
        headers={**headers, "Content-Type": "application/cloudevents+json"},
    )
    assert sent.status_code == 202, sent.text
    key = event_key("/people/bob", event_id)
    async with asyncio.timeout(10):
        while (await client.get(f"/api/v1/approvals/clerk/{key}", headers=headers)).status_code != 200:  # noqa: ASYNC110  # it happens in a turn
            await asyncio.sleep(0.02)
    return key


async def approves(client: httpx2.AsyncClient, headers: dict[str, str], key: str, **by: str) -> httpx2.Response:
    asked = (await client.get(f"/api/v1/approvals/clerk/{key}", headers=headers)).json()["items"][0]["wants"]
    body = {"hash": asked["hash"], **by}
    return await client.post(f"/api/v1/approvals/clerk/{key}/approve", json=body, headers=headers)


async def test_an_approver_is_another_than_the_requester_whatever_both_say(
    client: httpx2.AsyncClient, as_: dict[str, dict[str, str]]
) -> None:
    key = await asks(client, as_["alice"], "one", principal="mallory")
    own = await approves(client, as_["alice"], key, by="bob")
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")
    assert own.json()["detail"].startswith("alice asked for this call")
    made = await approves(client, as_["bob"], key, by="alice")
    assert (made.status_code, made.json()["decided_by"]) == (200, "bob")
    assert made.json()["wants"]["requester"] == "alice"


async def test_a_gateway_names_others_and_the_shared_token_has_no_name(
    client: httpx2.AsyncClient, as_: dict[str, dict[str, str]]
) -> None:
    key = await asks(client, as_["gateway"], "two", principal="carol")
    refused = await approves(client, as_["gateway"], key, by="carol")
    assert refused.status_code == 403
    made = await approves(client, as_["gateway"], key)
    assert made.json()["decided_by"] == "gateway"
    key = await asks(client, as_["shared"], "three")
    nameless = await approves(client, as_["shared"], key)
    assert (nameless.status_code, "say who answers" in nameless.text) == (422, True)
    assert (await approves(client, as_["shared"], key, by="bob")).status_code == 403  # the event's source is his
    assert (await approves(client, as_["shared"], key, by="dora")).json()["decided_by"] == "dora"


async def test_a_token_that_is_taken_back_is_refused_at_once(
    client: httpx2.AsyncClient, as_: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    assert (await client.get("/api/v1/agents", headers=as_["alice"])).status_code == 200
    TokensFile(tmp_path / "tokens.json").remove("alice")
    assert (await client.get("/api/v1/agents", headers=as_["alice"])).status_code == 401
    assert (await client.get("/api/v1/agents", headers=as_["bob"])).status_code == 200
