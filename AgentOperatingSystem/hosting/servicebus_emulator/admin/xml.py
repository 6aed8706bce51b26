"""ATOM documents in and out; elements are known by their local names.

Written as text, because the vendor's SDK and Python's writer disagree about prefixes when both run in one process.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from AgentOperatingSystem.hosting.servicebus_emulator.conditions import InvalidRequest

ATOM = "http://www.w3.org/2005/Atom"
CONNECT = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
COUNTS = "http://schemas.microsoft.com/netservices/2011/06/servicebus"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA = "http://www.w3.org/2001/XMLSchema"

Element = ElementTree.Element


def parsed(body: bytes) -> Element:
    """Raises `InvalidRequest` for what is no XML, and for XML with declarations of its own."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise InvalidRequest("a document type has no place in a description")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError) as error:
        raise InvalidRequest(f"no XML: {error}") from None


def local(element: Element) -> str:
    """The name without its namespace."""
    return element.tag.rpartition("}")[2]


def child(element: Element | None, name: str) -> Element | None:
    """The first child of that name."""
    return next(children(element, name), None)


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The children of that name."""
    return (each for each in (element if element is not None else ()) if local(each) == name)


def text(element: Element | None, name: str) -> str | None:
    """The text of a child; None where there is none."""
    found = child(element, name)
    return None if found is None else (found.text or "")


def described(body: bytes, name: str) -> Element:
    """The description in an ATOM entry. Raises `InvalidRequest`."""
    found = child(child(parsed(body), "content"), name)
    if found is None:
        raise InvalidRequest(f"a {name} is missing in the entry's content")
    return found


def tag(name: str, content: str, /, **attributes: str) -> str:
    """An element around content that is XML already."""
    spaced = "".join(f" {key.replace('_', ':')}={quoteattr(value)}" for key, value in attributes.items())
    return f"<{name}{spaced}>{content}</{name}>"


def leaf(name: str, value: object, /, **attributes: str) -> str:
    """An element with a text."""
    return tag(name, escape(str(value)), **attributes)


def moment(milliseconds: int) -> str:
    """A moment as ATOM and the vendor write it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def description(name: str, content: str) -> str:
    """The content of an entry."""
    return f'<{name} xmlns="{CONNECT}" xmlns:i="{INSTANCE}">{content}</{name}>'


def entry(url: str, title: str, created_ms: int, updated_ms: int, content: str) -> str:
    """One entity."""
    inner = (
        leaf("id", url),
        leaf("title", title, type="text"),
        leaf("published", moment(created_ms)),
        leaf("updated", moment(updated_ms)),
        tag("author", leaf("name", "local-service-bus")),
        f'<link rel="self" href={quoteattr(url)}/>',
        tag("content", content, type="application/xml"),
    )
    return f'<entry xmlns="{ATOM}">{"".join(inner)}</entry>'


def feed(url: str, title: str, now_ms: int, entries: list[str], further: str | None = None) -> str:
    """A list of entities; `further` is where the next page is."""
    links = f'<link rel="self" href={quoteattr(url)}/>'
    if further is not None:
        links += f'<link rel="next" href={quoteattr(further)}/>'
    head = leaf("title", title, type="text") + leaf("id", url) + leaf("updated", moment(now_ms)) + links
    return f'<feed xmlns="{ATOM}">{head}{"".join(entries)}</feed>'


def problem(status: int, detail: str) -> str:
    """What the SDK reads of a refusal."""
    return tag("Error", leaf("Code", status) + leaf("Detail", detail))


def leaves(values: Mapping[str, object]) -> str:
    """An element for each."""
    return "".join(leaf(name, value) for name, value in values.items())
