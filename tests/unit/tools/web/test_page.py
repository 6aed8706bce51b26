"""A page of the web as a tool's result, in parts where it is long, and every refusal as an error."""

import pytest

from AgentOperatingSystem.errors import ServiceError
from AgentOperatingSystem.tools.documents.analyzer import DocumentAnalyzer, chosen
from AgentOperatingSystem.tools.documents.records import Document, Kind, Section
from AgentOperatingSystem.tools.web.fetching import Fetcher
from AgentOperatingSystem.tools.web.page import WebPageTool
from tests.loopback import Answer
from tests.unit.tools.documents.files import pdf_with
from tests.unit.tools.web.conftest import Pages

HTML = {"Content-Type": "text/html; charset=utf-8"}
ARTICLE = "<title>Cats</title><nav>menu</nav><main><h1>On cats</h1><p>They purr. <a href='/dogs'>Dogs</a></main>"


async def test_a_page_is_title_and_text(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/old"] = Answer(301, {"Location": "/cats"})
    pages.answers["/cats"] = Answer(headers=HTML, body=ARTICLE.encode())
    told = await WebPageTool(fetcher)(f"{pages.url}/old")
    assert told == {
        "url": f"{pages.url}/cats",
        "title": "Cats",
        "text": f"# On cats\n\nThey purr. [Dogs]({pages.url}/dogs)",
        "next_start": None,
    }


async def test_a_long_page_comes_in_parts(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/"] = Answer(headers={"Content-Type": "text/plain"}, body=b"0123456789" * 5)
    tool = WebPageTool(fetcher, characters_max=20)
    parts, start = [], 0
    while start is not None:
        told = await tool(f"{pages.url}/", start=start)
        parts.append(told["text"])
        start = told["next_start"]
    assert "".join(parts) == "0123456789" * 5
    assert len(parts) == 3


async def test_a_pdf_is_a_page_too(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Type": "application/pdf"}, body=pdf_with(["inside"], title="File"))
    told = await WebPageTool(fetcher)(f"{pages.url}/a")
    assert (told["title"], told["text"]) == ("File", "inside")


async def test_a_page_without_a_type_is_taken_for_html(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(body=b"<p>untyped")
    assert (await WebPageTool(fetcher)(f"{pages.url}/a"))["text"] == "untyped"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/none", "the server answered 404"),
        ("/image", "is of a type that is not read (image/png)"),
        ("/broken", "damaged PDF"),
    ],
)
async def test_what_cannot_be_read_is_an_error(pages: Pages, fetcher: Fetcher, path: str, message: str) -> None:
    pages.answers["/image"] = Answer(headers={"Content-Type": "image/png"}, body=b"\x89PNG")
    pages.answers["/broken"] = Answer(headers={"Content-Type": "application/pdf"}, body=b"%PDF-1.7 no")
    told = await WebPageTool(fetcher).call({"url": f"{pages.url}{path}"})
    assert told.is_error
    assert message in told.content
    assert pages.url in told.content


async def test_an_inner_address_is_an_error_for_the_model() -> None:
    told = await WebPageTool().call('{"url": "https://169.254.169.254/latest/meta-data/"}')
    assert told.is_error
    assert "not on the public internet" in told.content


def test_the_tool_s_record() -> None:
    record = WebPageTool().record
    assert (record.name, record.effect) == ("web_page", "pure")
    assert record.parameters["required"] == ["url"]
    assert record.parameters["properties"]["start"]["minimum"] == 0


async def test_documents_become_numbered_passages(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/cats"] = Answer(headers=HTML, body=ARTICLE.encode())
    pages.answers["/file"] = Answer(body=pdf_with(["Dogs bark", "Cats purr"], bookmarks=[("Sounds", 0)]))
    results = [{"title": "Cats", "url": f"{pages.url}/cats", "snippet": "x"}, f"{pages.url}/file", f"{pages.url}/no"]
    told = await DocumentAnalyzer(fetcher)(results)
    assert [(each["url"].removeprefix(pages.url), each.get("title"), each.get("kind")) for each in told] == [
        ("/cats", "Cats", "html"),
        ("/file", "", "pdf"),
        ("/no", None, None),
    ]
    assert told[1]["passages"] == [
        {"text": "Dogs bark", "heading": "Sounds", "page": 1, "number": 2},
        {"text": "Cats purr", "heading": "Sounds", "page": 2, "number": 3},
    ]
    assert told[0]["passages"][0]["number"] == 1
    assert "404" in told[2]["error"]


async def test_where_nothing_can_be_read_the_model_is_told(pages: Pages, fetcher: Fetcher) -> None:
    with pytest.raises(ServiceError, match=r"404.*; .*404"):
        await DocumentAnalyzer(fetcher)([f"{pages.url}/a", f"{pages.url}/b"])
    assert (await DocumentAnalyzer(fetcher).call({"documents": []})).is_error


def test_passages_are_about_the_question() -> None:
    texts = ("Trains run late", "Cats purr at night", "Nothing of interest", "A cat's night")
    document = Document(kind=Kind.TEXT, sections=tuple(Section(text=text) for text in texts))
    assert [each.text for each in chosen(document, "What do cats do at night?", 2)] == [texts[1], texts[3]]
    assert [each.text for each in chosen(document, "", 2)] == list(texts[:2])


def test_long_sections_are_cut_at_lines() -> None:
    text = "\n".join(f"line {number} " + "x" * 100 for number in range(30)) + "\n" + "y" * 3000
    pieces = chosen(Document(kind=Kind.TEXT, sections=(Section(text=text, page=4),)), "", 99)
    assert max(len(piece.text) for piece in pieces) <= 1200
    assert "".join(piece.text for piece in pieces).replace("\n", "") == text.replace("\n", "")
    assert all(piece.page == 4 for piece in pieces)
    assert all(piece.text.startswith(("line", "y")) for piece in pieces)
