"""The description of the routes: OpenAPI from FastAPI's routes and our own views, and a page of it in plain HTML.

The page is made here, from the description, because the usual ones load their scripts from elsewhere; it has no script
at all.
"""

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from AgentOperatingSystem.api.problems import Problem

REF = "#/components/schemas/{name}"
_PROBLEM = {
    "description": "A problem.",
    "content": {"application/problem+json": {"schema": {"$ref": REF.format(name="Problem")}}},
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8881;padding:0 .2em}"
)
_CODE = re.compile("`([^`]*)`")
_described: dict[str, Any] = {"Problem": Problem}
"""Every view that a route answers with, by name."""


def documented(
    kind: Any = None, *, page_of: Any = None, body: Any = None, status: int = 200, media: str = "application/json"
) -> dict[str, Any]:
    """Keyword arguments of a FastAPI route that answers with a view, and perhaps reads one as its body."""
    schema = _page(page_of) if page_of is not None else schema_of(kind)
    said: dict[str, Any] = {
        "response_model": None,
        "status_code": status,
        "responses": {status: {"content": {media: {"schema": schema}}}, "default": _PROBLEM},
    }
    if body is not None:
        said["openapi_extra"] = {"requestBody": {"content": {"application/json": {"schema": schema_of(body)}}}}
    return said


def schema_of(kind: Any) -> dict[str, Any]:
    """The schema of a view, by reference, or of any other type."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        _described[kind.__name__] = kind
        return {"$ref": REF.format(name=kind.__name__)}
    return msgspec.json.schema(kind)


def describe(app: FastAPI, plain: dict[str, Any]) -> dict[str, Any]:
    """The whole description, made once; `plain` has the paths of the routes that are not FastAPI's."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _, components = msgspec.json.schema_components(_described.values(), ref_template=REF)
        found["paths"] = {path: plain.get(path, {}) | found["paths"].get(path, {}) for path in (plain | found["paths"])}
        parts = found.setdefault("components", {})
        parts["schemas"] = {"Problem": components["Problem"]} | components
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"token": []}]
        app.openapi_schema = found
    return app.openapi_schema


def page(description: dict[str, Any]) -> str:
    """The description as one page of HTML."""
    title = html.escape(description["info"]["title"])
    parts = "\n".join(_route(*each) for each in _operations(description))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{html.escape(description['info'].get('description', ''))}</p>{parts}</html>"
    )


def _page(kind: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"items": {"type": "array", "items": schema_of(kind)}, "after": {"type": "string"}},
        "required": ["items"],
    }


def _operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    text = html.escape(operation.get("description") or operation.get("summary", ""))
    parameters = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    query = "".join(
        f"<li><code>{each['name']}</code> {html.escape(each.get('description', ''))}" for each in parameters
    )
    return (
        f"<h2><code>{method.upper()} {html.escape(path)}</code></h2><p>{_CODE.sub(_as_code, text)}</p>"
        f"<ul>{query}</ul>{_schemas(operation)}"
    )


def _as_code(found: re.Match[str]) -> str:
    return f"<code>{found[1]}</code>"


def _schemas(operation: dict[str, Any]) -> str:
    """What the body is, and what the answer."""
    body = _names([operation["requestBody"]]) if "requestBody" in operation else ""
    good = _names(each for status, each in operation.get("responses", {}).items() if str(status).startswith("2"))
    return (f"<p>Body: {body}</p>" if body else "") + (f"<p>Answer: {good}</p>" if good else "")


def _names(parts: Iterable[dict[str, Any]]) -> str:
    found = (content.get("schema", {}) for part in parts for content in part.get("content", {}).values())
    return html.escape(
        ", ".join(
            dict.fromkeys(str(each.get("$ref", each.get("type", "any JSON"))).rpartition("/")[2] for each in found)
        )
    )
