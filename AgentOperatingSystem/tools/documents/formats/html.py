"""HTML, with selectolax (the Lexbor parser): what a reader sees of a page, as Markdown, a section per heading.

Lexbor parses like a browser, so that text which only a browser's error handling brings to light is seen, and what is
hidden by the usual means is left out: scripts, templates, forms, navigation, elements with `hidden`, `aria-hidden` or
an inline style that hides them.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from AgentOperatingSystem.tools.documents.formats.given import Given, OverLimit
from AgentOperatingSystem.tools.documents.formats.page_text import PageText
from AgentOperatingSystem.tools.documents.records import Document, Kind
from AgentOperatingSystem.tools.plain_text import decoded, visible

# fmt: off
DROPPED = frozenset({
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "video",
    "audio", "map", "button", "select", "input", "textarea", "dialog", "nav", "aside", "footer", "head", "title",
    "link", "meta",
})
# fmt: on
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0(?![.\d])")
_MAIN = ("main", "[role=main]", "article")
ENTER, LEAVE = True, False


def read(content: bytes, given: Given) -> Document:
    """The page's title and its readable text; links are absolute and lead to the web only."""
    parser = LexborHTMLParser(decoded(content, given.charset, html=True))
    root = _main_part(parser)
    text = PageText()
    for node, entering in _walk(root, given.nodes_max) if root is not None else ():
        _write(text, node, entering, given.url)
    return Document(kind=Kind.HTML, title=_title(parser), sections=tuple(text.sections()))


def _main_part(parser: LexborHTMLParser) -> LexborNode | None:
    """What the page itself calls its main part, if there is exactly one and something in it; else all of it."""
    for selector in _MAIN:
        found = parser.css(selector)
        if len(found) == 1 and found[0].text(strip=True):
            return found[0]
    return parser.body


def _title(parser: LexborHTMLParser) -> str:
    found = parser.css_first("title")
    return " ".join(visible(found.text()).split()) if found is not None else ""


def _walk(root: LexborNode, nodes_max: int) -> Iterator[tuple[LexborNode, bool]]:
    """Every visible node on the way in and on the way out. A loop, for a page may be deeper than any stack."""
    stack = [(root, ENTER)]
    while stack:
        node, entering = stack.pop()
        yield node, entering
        if entering and node.is_element_node:
            stack.append((node, LEAVE))
            children = [child for child in node.iter(include_text=True) if not _is_hidden(child)]
            stack.extend((child, ENTER) for child in reversed(children))
        nodes_max -= 1
        if nodes_max < 0:
            raise OverLimit("more elements than the limit on nodes")


def _is_hidden(node: LexborNode) -> bool:
    if not node.is_element_node:
        return not node.is_text_node
    if node.tag in DROPPED or (node.tag == "header" and node.parent is not None and node.parent.tag == "body"):
        return True
    attributes = node.attributes
    style = attributes.get("style") or ""
    return "hidden" in attributes or attributes.get("aria-hidden") == "true" or bool(_HIDING.search(style.lower()))


def _write(text: PageText, node: LexborNode, entering: bool, url: str) -> None:
    if node.is_text_node:
        text.words(visible(node.text_content or ""))
    elif node.tag == "a":
        text.link(_link(node, url), entering=entering)
    elif node.tag == "img":
        text.words(visible(node.attributes.get("alt") or "") if entering else "")
    elif entering:
        text.enter(node.tag or "")
    else:
        text.leave(node.tag or "")


def _link(node: LexborNode, url: str) -> str:
    """Where a link leads; empty unless that is the web."""
    said = (node.attributes.get("href") or "").strip()
    try:
        target = urljoin(url, said) if said else ""
        return target if urlsplit(target).scheme in ("http", "https") else ""
    except ValueError:
        return ""
