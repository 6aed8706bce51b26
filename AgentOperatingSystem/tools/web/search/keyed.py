"""Providers that an operator configures: Brave and Tavily by key, SearXNG by the address of one's own instance.

Sources: Brave Search API (api-dashboard.search.brave.com/app/documentation), Tavily API reference (docs.tavily.com),
SearXNG search API (docs.searxng.org/dev/search_api.html). Keys leave in a header, and never to another origin.
"""

import json
from collections.abc import Sequence
from ipaddress import ip_network
from urllib.parse import urlencode, urlsplit

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.tools.web.policy import MIB, WebPolicy
from AgentOperatingSystem.tools.web.search.answers import hit, results_in
from AgentOperatingSystem.tools.web.search.records import SearchHit, SearchRequest
from AgentOperatingSystem.tools.web.urls import DEFAULT_PORTS

_PUBLIC = WebPolicy(redirects_max=0, bytes_max=4 * MIB)


class Brave:
    """The Brave Search API."""

    name = "brave"
    policy = _PUBLIC

    def __init__(self, key: str) -> None:
        self._key = key

    def request(self, query: str, count: int) -> SearchRequest:
        url = f"https://api.search.brave.com/res/v1/web/search?{urlencode({'q': query, 'count': count})}"
        return SearchRequest(url=url, headers={"Accept": "application/json", "X-Subscription-Token": self._key})

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        return [hit(each, "title", "url", "description") for each in results_in(self.name, content, "web", "results")]


class Tavily:
    """The Tavily search API."""

    name = "tavily"
    policy = _PUBLIC

    def __init__(self, key: str) -> None:
        self._key = key

    def request(self, query: str, count: int) -> SearchRequest:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        body = json.dumps({"query": query, "max_results": count}).encode()
        return SearchRequest(url="https://api.tavily.com/search", method="POST", headers=headers, body=body)

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        return [hit(each, "title", "url", "content") for each in results_in(self.name, content, "results")]


class SearXNG:
    """An instance of SearXNG, whose settings allow the format `json`.

    The operator named it, so it may lie in a private network: its host, its port, and no other. Raises
    `ConfigurationError` where the address is not a URL.
    """

    name = "searxng"

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
            raise ConfigurationError(f"web search: {url!r} is not the address of a SearXNG instance")
        self._url = url.rstrip("/")
        self.policy = WebPolicy(
            schemes=frozenset({parts.scheme}),
            ports=frozenset({parts.port or DEFAULT_PORTS[parts.scheme]}),
            networks_allowed=(ip_network("0.0.0.0/0"), ip_network("::/0")),
            redirects_max=0,
            bytes_max=_PUBLIC.bytes_max,
        )

    def request(self, query: str, count: int) -> SearchRequest:
        return SearchRequest(url=f"{self._url}/search?{urlencode({'q': query, 'format': 'json'})}")

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        return [hit(each, "title", "url", "content") for each in results_in(self.name, content, "results")]
