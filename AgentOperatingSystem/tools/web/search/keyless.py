"""Providers that need no key: DuckDuckGo, the default, and Wikipedia.

DuckDuckGo has no public interface for searches; this reads its page for browsers without scripts. It may change or
refuse at any time (it answers 202 to what it takes for a robot); for a service that counts on searches, configure a
provider with a key.
"""

from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlencode, urlsplit

from AgentOperatingSystem.errors import ServiceError
from AgentOperatingSystem.tools.web.policy import MIB, WebPolicy
from AgentOperatingSystem.tools.web.search.answers import plain, results_in
from AgentOperatingSystem.tools.web.search.records import SearchHit, SearchRequest

_PAGE_BYTES_MAX = MIB
_NOTHING_FOUND = b"no-results"


class DuckDuckGo:
    """The page https://html.duckduckgo.com/html/."""

    name = "duckduckgo"
    policy = WebPolicy(redirects_max=0, bytes_max=_PAGE_BYTES_MAX)

    def request(self, query: str, count: int) -> SearchRequest:
        return SearchRequest(url=f"https://html.duckduckgo.com/html/?{urlencode({'q': query})}")

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        reader = _ResultPage()
        reader.feed(content.decode("utf-8", "replace"))
        reader.close()
        if not reader.hits and _NOTHING_FOUND not in content:
            raise ServiceError("search with duckduckgo: the answer has no results in the form that is known")
        return reader.hits


class _ResultPage(HTMLParser):
    """Collects `a.result__a` with what follows as `.result__snippet`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.hits: list[SearchHit] = []
        self._url = ""
        self._kind, self._tag, self._text = "", "", list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        classes = (attributes.get("class") or "").split()
        for kind in ("result__a", "result__snippet"):
            if kind in classes:
                self._kind, self._tag, self._text = kind, tag, []
                self._url = _target(attributes.get("href") or "") if kind == "result__a" else self._url

    def handle_data(self, data: str) -> None:
        if self._kind:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag != self._tag or not self._kind:
            return
        text = plain("".join(self._text))
        if self._kind == "result__a" and self._url:
            self.hits.append(SearchHit(title=text, url=self._url))
        elif self._kind == "result__snippet" and self.hits and not self.hits[-1].snippet:
            self.hits[-1] = SearchHit(title=self.hits[-1].title, url=self.hits[-1].url, snippet=text)
        self._kind = ""


def _target(link: str) -> str:
    """Where a result leads: links go through a counter, with the target in `uddg`; advertisements lead elsewhere."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    if not parts.hostname or parts.hostname.endswith("duckduckgo.com"):
        return parse_qs(parts.query).get("uddg", [""])[0]
    return link if parts.scheme in ("http", "https") else ""


class Wikipedia:
    """The REST interface of MediaWiki, https://www.mediawiki.org/wiki/API:REST_API/Reference#Search."""

    name = "wikipedia"
    policy = WebPolicy(redirects_max=0, bytes_max=_PAGE_BYTES_MAX)

    def __init__(self, language: str = "en") -> None:
        self._host = f"https://{language}.wikipedia.org"

    def request(self, query: str, count: int) -> SearchRequest:
        return SearchRequest(url=f"{self._host}/w/rest.php/v1/search/page?{urlencode({'q': query, 'limit': count})}")

    def hits(self, content: bytes) -> Sequence[SearchHit]:
        pages = results_in(self.name, content, "pages")
        return [
            SearchHit(
                title=plain(str(page.get("title") or "")),
                url=f"{self._host}/wiki/{page.get('key')}",
                snippet=plain(f"{page.get('description') or ''} {page.get('excerpt') or ''}"),
            )
            for page in pages
            if page.get("key")
        ]
