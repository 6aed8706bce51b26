"""Searches: what each provider is asked, and how its answer is read. Answers are in the providers' documented form."""

import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, ServiceError
from AgentOperatingSystem.tools.web.policy import WebPolicy
from AgentOperatingSystem.tools.web.search.keyed import Brave, SearXNG, Tavily
from AgentOperatingSystem.tools.web.search.keyless import DuckDuckGo, Wikipedia
from AgentOperatingSystem.tools.web.search.records import SearchHit, SearchProvider, SearchRequest
from AgentOperatingSystem.tools.web.search.tool import PROVIDERS, SearchSettings, WebSearchTool, provider_of
from tests.loopback import Answer, Asked, serving

DUCKDUCKGO = """
<div class="result results_links results_links_deep web-result ">
 <h2 class="result__title"><a rel="nofollow" class="result__a"
  href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fdocs.example%2Fdurable%3Fa%3D1&amp;rut=abc">Durable <b>agents</b>
  &amp; you</a></h2>
 <a class="result__url" href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fdocs.example">docs.example</a>
 <a class="result__snippet" href="//duckduckgo.com/l/?uddg=x">An <b>agent</b> that
  &quot;survives&quot;.</a></div>
<div class="result result--ad"><h2><a class="result__a"
  href="https://duckduckgo.com/y.js?ad_domain=shop.example">Advertisement</a></h2>
 <a class="result__snippet">Buy this.</a></div>
<div class="result"><h2><a class="result__a" href="https://plain.example/page">Plain</a></h2>
 <div class="result__snippet">A snippet in a div.</div></div>
<div class="result"><h2><a class="result__a" href="javascript:alert(1)">Script</a></h2></div>
"""
BRAVE = {
    "type": "search",
    "web": {
        "type": "search",
        "results": [
            {
                "title": "Agents",
                "url": "https://a.example/",
                "description": "About <strong>agents</strong> &amp; more",
                "age": "2 days ago",
            },
            {"title": "No description", "url": "https://b.example/"},
        ],
    },
}
TAVILY = {
    "query": "agents",
    "results": [{"title": "Agents", "url": "https://a.example/", "content": "About agents & more", "score": 0.81}],
    "response_time": "1.67",
}
SEARXNG = {
    "query": "agents",
    "results": [{"title": "Agents", "url": "https://a.example/", "content": "About", "engine": "x"}],
}
WIKIPEDIA = {
    "pages": [
        {
            "id": 1,
            "key": "Software_agent",
            "title": "Software agent",
            "excerpt": 'a <span class="searchmatch">software</span> &amp; agent',
            "description": "Computer program",
        }
    ]
}


def test_duckduckgo() -> None:
    provider = DuckDuckGo()
    assert provider.request("a b&c", 3).url == "https://html.duckduckgo.com/html/?q=a+b%26c"
    assert provider.hits(DUCKDUCKGO.encode()) == [
        SearchHit(
            title="Durable agents & you", url="https://docs.example/durable?a=1", snippet='An agent that "survives".'
        ),
        SearchHit(title="Plain", url="https://plain.example/page", snippet="A snippet in a div."),
    ]


def test_a_page_that_is_no_page_of_results() -> None:
    with pytest.raises(ServiceError, match="no results in the form that is known"):
        DuckDuckGo().hits(b"<html>Unfortunately, bots use DuckDuckGo too.</html>")
    assert DuckDuckGo().hits(b'<div class="no-results">No results.</div>') == []


def test_wikipedia() -> None:
    provider = Wikipedia("de")
    assert provider.request("a b", 3).url == "https://de.wikipedia.org/w/rest.php/v1/search/page?q=a+b&limit=3"
    (hit,) = provider.hits(json.dumps(WIKIPEDIA).encode())
    assert hit == SearchHit(
        title="Software agent",
        url="https://de.wikipedia.org/wiki/Software_agent",
        snippet="Computer program a software & agent",
    )


def test_brave() -> None:
    asked = Brave("the-key").request("a b", 5)
    assert asked.url == "https://api.search.brave.com/res/v1/web/search?q=a+b&count=5"
    assert asked.headers["X-Subscription-Token"] == "the-key"
    assert Brave("k").hits(json.dumps(BRAVE).encode()) == [
        SearchHit(title="Agents", url="https://a.example/", snippet="About agents & more"),
        SearchHit(title="No description", url="https://b.example/"),
    ]
    assert Brave("k").hits(b'{"type": "search"}') == []


def test_tavily() -> None:
    asked = Tavily("the-key").request("a b", 5)
    assert (asked.url, asked.method) == ("https://api.tavily.com/search", "POST")
    assert asked.headers["Authorization"] == "Bearer the-key"
    assert json.loads(asked.body or b"") == {"query": "a b", "max_results": 5}
    assert Tavily("k").hits(json.dumps(TAVILY).encode()) == [
        SearchHit(title="Agents", url="https://a.example/", snippet="About agents & more")
    ]


def test_searxng() -> None:
    provider = SearXNG("http://search.intranet:8888/x/")
    assert provider.request("a b", 5).url == "http://search.intranet:8888/x/search?q=a+b&format=json"
    assert (provider.policy.schemes, provider.policy.ports) == (frozenset({"http"}), frozenset({8888}))
    assert [hit.title for hit in provider.hits(json.dumps(SEARXNG).encode())] == ["Agents"]


@pytest.mark.parametrize("content", [b"<html>", b'{"web": {"results": "x"}}', b"[" * 100_000])
def test_answers_that_are_not_in_the_form(content: bytes) -> None:
    with pytest.raises(ServiceError, match="search with brave"):
        Brave("k").hits(content)


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"web": 1}', b'{"web": {"results": [1, null, "x"]}}'])
def test_answers_without_results(content: bytes) -> None:
    assert Brave("k").hits(content) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SearchSettings(provider="brave"), "'brave' needs a key"),
        (SearchSettings(provider="tavily"), "'tavily' needs a key"),
        (SearchSettings(provider="searxng"), "'searxng' needs a url"),
        (SearchSettings(provider="searxng", url="search.intranet"), "not the address of a SearXNG instance"),
        (SearchSettings(provider="google"), "no provider 'google'; there are duckduckgo"),
    ],
)
def test_settings_that_lack_something(settings: SearchSettings, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        WebSearchTool(settings)


def test_every_provider_can_be_chosen_and_the_default_needs_no_key() -> None:
    made = [provider_of(SearchSettings(provider=name, key="k", url="https://s.example")) for name in PROVIDERS]
    assert tuple(provider.name for provider in made) == PROVIDERS
    assert provider_of(SearchSettings()).name == "duckduckgo"
    assert "secret" not in repr(SearchSettings(provider="brave", key="secret"))


class Local:
    """A provider's own words, sent to a server on loopback instead of the service."""

    def __init__(self, inner: SearchProvider, url: str) -> None:
        self.name = inner.name
        self.policy = WebPolicy(
            schemes=frozenset({"http"}),
            ports=frozenset({urlsplit(url).port or 0}),
            networks_allowed=(ip_network("127.0.0.1/32"),),
            redirects_max=0,
        )
        self._inner, self._url = inner, url

    def request(self, query: str, count: int) -> SearchRequest:
        asked = self._inner.request(query, count)
        parts = urlsplit(asked.url)
        return replace(asked, url=f"{self._url}{parts.path}?{parts.query}")

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        return self._inner.hits(content)


class Service:
    """Answers searches."""

    def __init__(self) -> None:
        self.answer = Answer(body=json.dumps(BRAVE).encode())
        self.asked: list[Asked] = []
        self.url = ""

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.answer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    answers = Service()
    async with serving(answers) as server:
        answers.url = server.url
        yield answers


def tool(service: Service, provider: SearchProvider | None = None) -> WebSearchTool:
    return WebSearchTool(Local(provider or Brave("the-key"), service.url))


async def test_a_search_from_end_to_end(service: Service) -> None:
    told = await tool(service).call({"query": " durable agents ", "count": 1})
    assert not told.is_error
    assert json.loads(told.content) == [
        {"title": "Agents", "url": "https://a.example/", "snippet": "About agents & more"}
    ]
    (asked,) = service.asked
    assert parse_qs(urlsplit(asked.target).query) == {"q": ["durable agents"], "count": ["1"]}
    assert asked.headers["x-subscription-token"] == "the-key"


async def test_the_keyless_default_from_end_to_end(service: Service) -> None:
    service.answer = Answer(headers={"Content-Type": "text/html"}, body=DUCKDUCKGO.encode())
    found = await tool(service, DuckDuckGo())("agents")
    assert [hit["url"] for hit in found] == ["https://docs.example/durable?a=1", "https://plain.example/page"]


async def test_a_post_takes_its_body_along(service: Service) -> None:
    service.answer = Answer(body=json.dumps(TAVILY).encode())
    assert len(await tool(service, Tavily("k"))("agents")) == 1
    assert json.loads(service.asked[0].body)["query"] == "agents"


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(401), ConfigurationError, "check the provider's key"),
        (Answer(429), ServiceError, "too many searches"),
        (Answer(202, body=b"challenge"), ServiceError, "too many searches"),
        (Answer(500), ServiceError, "answered 500"),
        (Answer(302, {"Location": "http://127.0.0.1:1/"}), ServiceError, "redirects"),
    ],
)
async def test_refusals(service: Service, answer: Answer, error: type[Exception], message: str) -> None:
    service.answer = answer
    with pytest.raises(error, match=message) as raised:
        await tool(service)("agents")
    assert "the-key" not in str(raised.value)


@pytest.mark.parametrize("query", ["", "   ", "x" * 401])
async def test_queries_that_make_no_sense(service: Service, query: str) -> None:
    with pytest.raises(InvalidInput, match="use 1 to 400"):
        await tool(service)(query)
    assert service.asked == []


@pytest.mark.parametrize("count", [0, 21])
async def test_counts_that_make_no_sense(service: Service, count: int) -> None:
    assert (await tool(service).call({"query": "x", "count": count})).is_error


async def test_only_addresses_of_the_web_come_back(service: Service) -> None:
    results: list[dict[str, Any]] = [
        {"title": "x", "url": url} for url in ("javascript:x", "", "file:///x", "http://ok.example")
    ]
    service.answer = Answer(body=json.dumps({"web": {"results": results}}).encode())
    assert [hit["url"] for hit in await tool(service)("agents")] == ["http://ok.example"]


async def test_a_provider_of_the_public_web_cannot_lead_inside() -> None:
    async def inside(host: str) -> list[str]:
        return ["10.0.0.1"]

    told = await WebSearchTool(
        SearchSettings(provider="brave", key="k"), resolve=inside, tls=ssl.create_default_context()
    ).call({"query": "x"})
    assert told.is_error
    assert "not on the public internet" in told.content
