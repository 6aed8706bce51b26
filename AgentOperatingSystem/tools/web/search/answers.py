"""Reads what providers answer in JSON: lists of objects with a title, a URL and some text."""

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from AgentOperatingSystem.errors import ServiceError
from AgentOperatingSystem.tools.plain_text import visible
from AgentOperatingSystem.tools.web.search.records import SearchHit

SNIPPET_LENGTH_MAX = 1000
_TAG = re.compile(r"<[^<>]{0,200}>")


def results_in(name: str, content: bytes, *path: str) -> Sequence[Mapping[str, Any]]:
    """The objects that lie at `path` in a JSON answer; none where it ends before. Raises `ServiceError`."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise ServiceError(f"search with {name}: the answer is not JSON") from None
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if found is not None and not isinstance(found, list):
        raise ServiceError(f"search with {name}: the answer has no list of results")
    return [each for each in found or () if isinstance(each, dict)]


def hit(result: Mapping[str, Any], title: str, url: str, snippet: str) -> SearchHit:
    """One result, by the names that a provider gives to its parts."""
    return SearchHit(
        title=plain(str(result.get(title) or "")),
        url=str(result.get(url) or ""),
        snippet=plain(str(result.get(snippet) or "")),
    )


def plain(text: str) -> str:
    """Text without the tags and entities that providers mark matches with."""
    return " ".join(visible(html.unescape(_TAG.sub("", text))).split())[:SNIPPET_LENGTH_MAX]
