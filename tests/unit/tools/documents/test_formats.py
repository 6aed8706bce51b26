"""Markdown and HTML in their odd corners, and what is left out because nobody would see it."""

import pytest

from AgentOperatingSystem.tools.documents.formats import html, markdown
from AgentOperatingSystem.tools.documents.formats.given import Given
from AgentOperatingSystem.tools.plain_text import decoded, visible

GIVEN = Given("", "", "https://site.example/docs/page.html", 1, 1, 10_000, 1, 1, 1)


def md(text: str) -> list[tuple[int, str, str]]:
    return [(each.level, each.heading, each.text) for each in markdown.read(text.encode(), GIVEN).sections]


def page(text: str) -> str:
    told = html.read(text.encode(), GIVEN)
    return "\n\n".join(section.markdown for section in told.sections)


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("# One", (1, "One")),
        ("###### Six", (6, "Six")),
        ("####### Seven", None),
        ("#Hash", None),
        ("   ## Indented", (2, "Indented")),
        ("    # Code", None),
        ("# Closed #", (1, "Closed")),
        ("# Closed ####  ", (1, "Closed")),
        ("# C#", (1, "C#")),
        ("#", (1, "")),
        ("# ##", (1, "")),
        ("#\tTab", (1, "Tab")),
    ],
)
def test_headings(line: str, heading: tuple[int, str] | None) -> None:
    sections = md(line)
    assert sections[0][:2] == (heading or (0, ""))
    assert bool(sections[0][2]) == (heading is None)


def test_underlined_headings() -> None:
    assert md("Title\n=====\ntext\n\nPart\n---\nmore") == [(1, "Title", "text"), (2, "Part", "more")]
    assert md("text\n\n---\n\nmore") == [(0, "", "text\n\n---\n\nmore")]
    assert md("- item\n===") == [(1, "- item", "")]


def test_code_is_not_looked_into() -> None:
    assert md("# A\n```sh\n# comment\n~~~\n```\n## B\n~~~~\n# x\n~~~\n~~~~\nend") == [
        (1, "A", "```sh\n# comment\n~~~\n```"),
        (2, "B", "~~~~\n# x\n~~~\n~~~~\nend"),
    ]
    assert md("Text\n```\n---\n") == [(0, "", "Text\n```\n---")]


def test_front_matter_is_no_text() -> None:
    assert md("---\ntitle: x\n---\n# A\nb") == [(1, "A", "b")]
    assert md("---\nnever closed") == [(0, "", "---\nnever closed")]


def test_the_title_is_the_first_heading_of_the_first_level() -> None:
    assert markdown.read(b"## Sub\n# Main\n# Other", GIVEN).title == "Main"
    assert markdown.read(b"text", GIVEN).title == ""


def test_a_long_line_of_spaces_is_read_in_no_time() -> None:
    assert len(md("# " + " \t" * 200_000 + "x")) == 1


def test_the_parts_of_a_page() -> None:
    assert page(
        "<h1>Head</h1><p>One  <b>two</b>\n three.<br>Next<ul><li>a<ul><li>b</ul><li>c</ul>"
        "<ol><li>first</ol><pre>if x:\n    y</pre><blockquote>said</blockquote>"
        "<table><tr><th>k<th>v<tr><td>1<td>2</table><p>end"
    ) == (
        "# Head\n\nOne two three.\nNext\n\n- a\n  - b\n- c\n- first\n\n```\nif x:\n    y\n```\n\nsaid\n\n"
        "k | v\n1 | 2\n\nend"
    )


def test_links_are_absolute_and_lead_to_the_web() -> None:
    assert page("<a href='/a'>A</a> <a href='b?c=1'>B</a> <a href='https://x.example'>X</a>") == (
        "[A](https://site.example/a) [B](https://site.example/docs/b?c=1) [X](https://x.example)"
    )
    assert (
        page("<a href='javascript:alert(1)'>J</a> <a href='data:x'>D</a> <a>N</a> <a href='http://['>E</a>")
        == "J D N E"
    )


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>H</p>",
        "<p aria-hidden='true'>H</p>",
        "<p style='DISPLAY : None'>H</p>",
        "<span style='visibility:hidden'>H</span>",
        "<i style='font-size:0'>H</i>",
        "<i style='color:red;opacity:0'>H</i>",
        "<script>H</script>",
        "<style>H</style>",
        "<template>H</template>",
        "<noscript>H</noscript>",
        "<!-- H -->",
        "<textarea>H</textarea>",
        "<select><option>H</select>",
        "<svg><text>H</text></svg>",
        "<nav>H</nav>",
        "<footer>H</footer>",
        "<header>H</header>",
        "<iframe srcdoc='H'></iframe>",
        "<img src='H'>",
    ],
)
def test_what_nobody_sees_is_left_out(hidden: str) -> None:
    assert page(f"<body>{hidden}<p>seen</p>") == "seen"


def test_half_opaque_text_is_seen() -> None:
    assert page("<p style='opacity:0.5;font-size:0.9em'>seen</p>") == "seen"


def test_the_main_part_is_what_the_page_says_it_is() -> None:
    assert page("<p>before</p><main><p>in it</p></main><p>after") == "in it"
    assert page("<article>one</article><article>two</article>") == "one\n\ntwo"
    assert page("<main></main><p>outside") == "outside"
    assert page("<div role=main><header>title</header>text</div>x") == "title\n\ntext"


def test_the_title_of_a_page() -> None:
    assert html.read(b"<title> A \n title </title>", GIVEN).title == "A title"
    assert html.read(b"", GIVEN).title == ""


def test_what_browsers_mend_is_mended() -> None:
    assert page("<p>a<table><b>b</table>c</p><p>d</b>") == "ab\n\nc\n\nd"
    assert page("text &amp; &lt;p&gt; &#x41;") == "text & <p> A"


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        ("<meta charset='windows-1251'>да".encode("cp1251"), ""),
        (b"<meta http-equiv=content-type content='text/html; charset=koi8-r'>" + "да".encode("koi8-r"), ""),
        ("да".encode("cp1251"), "windows-1251"),
        ("<meta charset='windows-1251'>да".encode(), "utf-8"),
        (b"\xef\xbb\xbf" + "<meta charset='koi8-r'>да".encode(), "koi8-r"),
    ],
)
def test_the_encoding_of_a_page(content: bytes, charset: str) -> None:
    assert html.read(content, GIVEN._replace(charset=charset)).sections[0].text == "да"


@pytest.mark.parametrize(
    "charset", ["base64", "zip", "unicode_escape", "idna", "punycode", "utf-7", "windows-1259", "../x"]
)
def test_encodings_that_are_none_of_text(charset: str) -> None:
    assert decoded(b"plain", charset) == "plain"


def test_invisible_characters() -> None:
    tags = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all")
    assert visible(f"a{tags}b\u200b\u202e\ufe0f\u00ad\x00\ud800c") == "abc"
    assert visible("one\r\ntwo\rthree\u2028four\x0cfive\ttab") == "one\ntwo\nthree\nfour\nfive\ttab"
    assert visible("grüße, 日本語, עברית, 👍") == "grüße, 日本語, עברית, 👍"
