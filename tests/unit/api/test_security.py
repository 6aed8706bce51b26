"""Who may come in: token, host, origin. Nothing but what is said to be open is open."""

from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI

from tests.unit.api.conftest import TOKEN

OPEN = {("get", "/health/live"), ("post", "/webhooks/github")}


def routes(app: FastAPI, description: dict[str, dict[str, dict[str, object]]]) -> Iterator[tuple[str, str]]:
    for path, methods in description["paths"].items():
        for method in methods:
            yield method, path.replace("{", "").replace("}", "")


async def test_every_route_asks_for_the_token(app: FastAPI, client: httpx2.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    found = {*routes(app, description), ("get", "/docs"), ("get", "/openapi.json"), ("get", "/nowhere")}
    assert found >= OPEN
    assert len(found) > 25
    for method, path in found - OPEN:
        answer = await client.request(method, path, headers={"Authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), path
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_whether_the_host_lives_is_no_secret(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"Authorization": ""})
    assert (answer.status_code, answer.json()) == (200, {"status": "live"})


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer \xff",
    ],
)
async def test_wrong_tokens(client: httpx2.AsyncClient, authorization: str) -> None:
    header = authorization.encode("latin-1")
    answer = await client.get("/api/v1/agents", headers=[(b"Authorization", header)])
    assert answer.status_code == 401
    assert TOKEN not in answer.text


async def test_the_schemes_name_in_any_case(client: httpx2.AsyncClient) -> None:
    for scheme in ("bearer", "BEARER"):
        assert (await client.get("/api/v1/agents", headers={"Authorization": f"{scheme} {TOKEN}"})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "10.0.0.1:8080", "[::2]"]
)
async def test_a_name_that_was_rebound_to_this_machine_gets_nothing(client: httpx2.AsyncClient, host: str) -> None:
    answer = await client.get("/api/v1/agents", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.1.2.3", "[::1]:80"])
async def test_the_names_of_this_machine(client: httpx2.AsyncClient, host: str) -> None:
    assert (await client.get("/api/v1/agents", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://evil.example", 403), ("null", 403), ("http://localhost:3000", 200), ("https://127.0.0.1", 200)],
)
async def test_pages_from_elsewhere_may_not_ask(client: httpx2.AsyncClient, origin: str, status: int) -> None:
    assert (await client.get("/api/v1/agents", headers={"Origin": origin})).status_code == status


class TestOffLoopback:
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        return {"host": "0.0.0.0"}

    async def test_any_host_name_is_fine_there(self, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/v1/agents", headers={"Host": "aos.example"})).status_code == 200

    async def test_the_token_is_asked_for_all_the_same(self, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/v1/agents", headers={"Authorization": ""})).status_code == 401


async def test_a_tenant_that_is_claimed_changes_nothing(client: httpx2.AsyncClient) -> None:
    claim = {"X-Tenant-ID": "other"}
    await client.post("/api/v1/agents/counter/events", params={"wait": 10}, json={}, headers=claim)
    assert (await client.get("/api/v1/agents/counter/state")).json() == {"n": 1}


@pytest.mark.parametrize(
    "path", ["/api/v1/agents/%ff", "/api/v1/agents/counter?key=%ff", "/api/v1/agents/counter?key=%ed%a0%80"]
)
async def test_escapes_that_are_no_text_are_refused(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
