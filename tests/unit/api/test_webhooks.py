"""GitHub's webhooks: who may post them, and which event a delivery becomes."""

import hmac
from hashlib import sha256

import httpx2
import pytest
from fastapi import FastAPI

WEBHOOK = "/webhooks/github"
SECRET = "a-secret-of-github"
OPENED = b'{"action": "opened", "repository": {"full_name": "octo-org/octo-repo"}}'


def delivery(event: str = "issues", id: str = "d1", **more: str) -> dict[str, str]:
    return {"X-GitHub-Event": event, "X-GitHub-Delivery": id, "Content-Type": "application/json", **more}


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return delivery(**{"X-Hub-Signature-256": f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}"})


def from_address(app: FastAPI, address: str) -> httpx2.AsyncClient:
    """A client without a token, seen to come from `address`."""
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://localhost")


async def test_a_delivery_becomes_an_event_of_its_repository(app: FastAPI) -> None:
    async with from_address(app, "127.0.0.1") as client:
        answer = await client.post(WEBHOOK, params={"wait": 10}, content=OPENED, headers=delivery())
    outcome = answer.json()
    assert (outcome["agent"], outcome["id"], outcome["source"]) == ("counter/octo-org/octo-repo", "d1", "github")
    assert outcome["event"]["type"] == "github.issues.opened"
    assert outcome["event"]["subject"] == "octo-org/octo-repo"
    assert outcome["event"]["data"]["action"] == "opened"


async def test_a_delivery_that_comes_twice_counts_once(app: FastAPI, client: httpx2.AsyncClient) -> None:
    answers = [await client.post(WEBHOOK, content=OPENED, headers=delivery()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    await client.post(WEBHOOK, params={"wait": 10}, content=OPENED, headers=delivery(id="d2"))
    state = await client.get("/api/v1/agents/counter/state", params={"key": "octo-org/octo-repo"})
    assert state.json() == {"n": 2}


@pytest.mark.parametrize(
    "payload", [b"{}", b'{"repository": null, "action": ""}', b'{"repository": {"full_name": 5}, "action": 1}']
)
async def test_a_delivery_without_repository_or_action(client: httpx2.AsyncClient, payload: bytes) -> None:
    answer = await client.post(WEBHOOK, params={"wait": 10}, content=payload, headers=delivery("ping"))
    event = answer.json()["event"]
    assert (event["type"], event["subject"]) == ("github.ping", "")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (OPENED, {"X-GitHub-Delivery": "d", "Content-Type": "application/json"}, 422),
        (OPENED, {"X-GitHub-Event": "issues", "Content-Type": "application/json"}, 422),
        (b"{", delivery(), 422),
        (b"[]", delivery(), 422),
        (b"\xff", delivery(), 422),
        (b"payload=%7B%7D", delivery(**{"Content-Type": "application/x-www-form-urlencoded"}), 415),
        (b'{"x": "' + b"x" * 5000 + b'"}', delivery(), 413),
        (b'{"x": "' + b"x" * 100_000 + b'"}', delivery(), 413),
    ],
)
async def test_what_is_no_delivery(
    client: httpx2.AsyncClient, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = await client.post(WEBHOOK, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("203.0.113.7", {}),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}),
        ("127.0.0.1", {"Forwarded": "for=1.2.3.4"}),
    ],
)
async def test_without_a_secret_only_this_machine_may_post(app: FastAPI, address: str, headers: dict[str, str]) -> None:
    async with from_address(app, address) as client:
        answer = await client.post(WEBHOOK, content=OPENED, headers=delivery(**headers))
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


class TestBehindATunnel:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"github_webhook_secret": SECRET}

    async def test_the_signature_is_what_counts_not_the_name(self, app: FastAPI) -> None:
        async with from_address(app, "127.0.0.1") as client:
            answer = await client.post(WEBHOOK, content=OPENED, headers=signed(OPENED) | {"Host": "tunnel.example"})
            other = await client.get("/health/ready", headers={"Host": "tunnel.example"})
        assert (answer.status_code, other.status_code) == (202, 403)


class TestWithASecret:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"github_webhook_secret": SECRET, "host": "0.0.0.0"}

    async def test_a_signed_delivery_may_come_from_anywhere(self, app: FastAPI) -> None:
        async with from_address(app, "203.0.113.7") as client:
            answer = await client.post(WEBHOOK, content=OPENED, headers=signed(OPENED) | {"Host": "public.example"})
        assert answer.status_code == 202

    @pytest.mark.parametrize(
        "headers",
        [
            delivery(),
            signed(OPENED, "another-secret"),
            signed(b"another body"),
            delivery(**{"X-Hub-Signature-256": ""}),
            delivery(**{"X-Hub-Signature-256": "sha256="}),
            delivery(**{"X-Hub-Signature": hmac.new(SECRET.encode(), OPENED, "sha1").hexdigest()}),
        ],
    )
    async def test_everything_else_is_refused_even_from_here(self, app: FastAPI, headers: dict[str, str]) -> None:
        async with from_address(app, "127.0.0.1") as client:
            answer = await client.post(WEBHOOK, content=OPENED, headers=headers)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
