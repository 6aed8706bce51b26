"""The description of the routes, its page, and docs/http.md: all three name the same routes."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "http.md"
ROW = re.compile(r"^\| `(GET|POST|DELETE) (/[^`]*)` \|", re.MULTILINE)
Routes = set[tuple[str, str]]


@pytest.fixture
async def description(client: httpx2.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def described(description: dict[str, Any]) -> Routes:
    return {
        (method.upper(), path.replace(":path", ""))
        for path, methods in description["paths"].items()
        for method in methods
    }


def documented() -> Routes:
    """The rows of the table; `{a,b}` in a path stands for one row each."""
    found: Routes = set()
    for method, path in ROW.findall(DOCUMENT.read_text()):
        several = re.search(r"\{(\w+(?:,\w+)+)\}", path)
        names = several[1].split(",") if several else [""]
        found |= {(method, path.replace(several[0], name) if several else path) for name in names}
    return found


async def test_the_document_names_every_route(description: dict[str, Any]) -> None:
    assert documented() == described(description)


async def test_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    named = set(re.findall(r"#/components/schemas/(\w+)", str(description)))
    assert named
    assert named <= schemas.keys()
    assert description["openapi"].startswith("3.1")


async def test_every_operation_tells_what_it_answers_and_how_it_fails(description: dict[str, Any]) -> None:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            assert "application/problem+json" in operation["responses"]["default"]["content"], (method, path)
            assert any(status.startswith("2") for status in operation["responses"]), (method, path)


async def test_the_page_names_every_route_and_loads_nothing(
    client: httpx2.AsyncClient, description: dict[str, Any]
) -> None:
    page = await client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for method, path in described(description):
        assert f"<code>{method} {path}</code>" in page.text.replace(":path", "")
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
