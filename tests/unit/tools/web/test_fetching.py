"""Fetching within limits: sizes as they come and as they become, time, redirects, and who is told what."""

import gzip
import time
import tracemalloc
import zlib

import pytest

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, ServiceError, TooLarge
from AgentOperatingSystem.tools.web.fetching import USER_AGENT, Fetcher
from AgentOperatingSystem.tools.web.policy import WebPolicy
from tests.loopback import Answer, serving
from tests.unit.tools.web.conftest import Pages, policy

KIB = 1024


async def test_a_document_with_its_type(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Type": 'Text/HTML; Charset="UTF-8"'}, body=b"<p>a")
    fetched = await fetcher.fetch(f"{pages.url}/a?q=1#part")
    assert (fetched.status, fetched.media_type, fetched.charset) == (200, "text/html", "utf-8")
    assert (fetched.content, fetched.url) == (b"<p>a", f"{pages.url}/a?q=1")
    (asked,) = pages.server.asked
    assert asked.headers["user-agent"] == USER_AGENT
    assert "cookie" not in asked.headers


async def test_a_missing_page_is_an_answer(pages: Pages, fetcher: Fetcher) -> None:
    fetched = await fetcher.fetch(f"{pages.url}/none")
    assert (fetched.status, fetched.content, fetched.media_type) == (404, b"no such page", "")


@pytest.mark.parametrize("size", [KIB - 1, KIB])
async def test_a_body_up_to_the_limit(pages: Pages, size: int) -> None:
    pages.answers["/a"] = Answer(body=b"x" * size)
    assert len((await Fetcher(policy(pages.server, KIB)).fetch(f"{pages.url}/a")).content) == size


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"x" * (KIB + 1)),
        Answer(headers={"Content-Length": str(1 << 40)}, body=b"x" * 5000),
        Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"x" * (KIB + 1), mtime=0)),
        Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(64 << 20), mtime=0)),
        Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"x", mtime=0) + b"y" * KIB),
    ],
    ids=["plain", "length", "gzip", "bomb", "behind gzip"],
)
async def test_a_larger_body_is_refused(pages: Pages, answer: Answer) -> None:
    pages.answers["/a"] = answer
    with pytest.raises(TooLarge, match="larger than 1024 bytes"):
        await Fetcher(policy(pages.server, KIB)).fetch(f"{pages.url}/a")


async def test_a_bomb_is_never_in_memory(pages: Pages) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(64 << 20), mtime=0))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await Fetcher(policy(pages.server, KIB)).fetch(f"{pages.url}/a")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


async def test_a_compressed_body(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"text" * 1000, mtime=0))
    assert (await fetcher.fetch(f"{pages.url}/a")).content == b"text" * 1000
    pages.answers["/a"] = Answer(headers={"Content-Encoding": "gzip"}, body=b"")
    assert (await fetcher.fetch(f"{pages.url}/a")).content == b""


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("br", b"x", "encoded as 'br'"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), "encoded as 'gzip, gzip'"),
        ("deflate", zlib.compress(b"x"), "encoded as 'deflate'"),
        ("gzip", b"plain text", "not gzip"),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-12], "breaks off"),
    ],
)
async def test_encodings_that_were_not_asked_for(
    pages: Pages, fetcher: Fetcher, encoding: str, body: bytes, message: str
) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Encoding": encoding}, body=body)
    with pytest.raises(ServiceError, match=message):
        await fetcher.fetch(f"{pages.url}/a")


async def test_the_time_is_for_the_whole_of_it(pages: Pages) -> None:
    pages.answers.update({f"/{n}": Answer(302, {"Location": f"/{n + 1}"}, after_seconds=0.15) for n in range(5)})
    started = time.monotonic()
    with pytest.raises(ServiceError, match=r"no answer within 0\.4 s"):
        await Fetcher(policy(pages.server, seconds_max=0.4)).fetch(f"{pages.url}/0")
    assert time.monotonic() - started < 2
    assert 1 < len(pages.server.asked) < 5


async def test_a_body_that_never_ends_in_time(pages: Pages) -> None:
    pages.answers["/a"] = Answer(headers={"Content-Length": "100"}, body=b"only this")
    with pytest.raises(ServiceError, match="RemoteProtocolError"):
        await Fetcher(policy(pages.server)).fetch(f"{pages.url}/a")


async def test_redirects_are_followed_without_reading_their_bodies(pages: Pages) -> None:
    pages.answers["/old"] = Answer(301, {"Location": "new"}, body=b"x" * 100_000)
    pages.answers["/new"] = Answer(body=b"found")
    fetched = await Fetcher(policy(pages.server, KIB)).fetch(f"{pages.url}/old")
    assert (fetched.url, fetched.content) == (f"{pages.url}/new", b"found")


async def test_another_origin_gets_no_key(pages: Pages) -> None:
    async with serving(lambda asked: Answer(body=b"there")) as other:
        pages.answers["/here"] = Answer(302, {"Location": "/same"})
        pages.answers["/same"] = Answer(302, {"Location": f"{other.url}/x", "Set-Cookie": "id=1; Path=/"})
        fetcher = Fetcher(policy(pages.server, KIB, 5.0, other))
        headers = {"X-Subscription-Token": "key", "Authorization": "Bearer key", "Accept": "text/html"}
        assert (await fetcher.fetch(f"{pages.url}/here", headers=headers)).content == b"there"
        assert [asked.headers.get("x-subscription-token") for asked in pages.server.asked] == ["key", "key"]
        (asked,) = other.asked
        assert asked.headers["accept"] == "text/html"
        assert "key" not in str(asked.headers)
        assert "cookie" not in asked.headers


async def test_what_is_sent_is_not_sent_again(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(307, {"Location": "/b"})
    with pytest.raises(ServiceError, match="redirects a POST"):
        await fetcher.fetch(f"{pages.url}/a", method="POST", body=b"secret")
    pages.answers["/c"] = Answer(body=b"taken")
    assert (await fetcher.fetch(f"{pages.url}/c", method="POST", body=b"secret")).content == b"taken"
    assert pages.server.asked[-1].body == b"secret"


async def test_no_cookie_is_kept_between_calls(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(headers={"Set-Cookie": "id=tenant-1; Path=/"})
    await fetcher.fetch(f"{pages.url}/a")
    await fetcher.fetch(f"{pages.url}/a")
    assert ["cookie" in asked.headers for asked in pages.server.asked] == [False, False]


async def test_a_server_that_is_not_there(pages: Pages, fetcher: Fetcher) -> None:
    pages.answers["/a"] = Answer(status=200, headers={"Content-Length": "x"})
    with pytest.raises(ServiceError, match="ProtocolError"):
        await fetcher.fetch(f"{pages.url}/a")
    async with serving(lambda asked: Answer()) as gone:
        pass
    with pytest.raises(ServiceError, match="ConnectError"):
        await Fetcher(policy(gone)).fetch(f"{gone.url}/")


async def test_the_next_address_is_tried_where_one_does_not_answer(pages: Pages) -> None:
    pages.answers["/a"] = Answer(body=b"second")

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.99", "127.0.0.1"]

    fetched = await Fetcher(policy(pages.server), resolve=resolve).fetch(f"http://two.example:{pages.server.port}/a")
    assert fetched.content == b"second"


async def test_a_name_without_an_address(pages: Pages) -> None:
    async def nothing(host: str) -> list[str]:
        return []

    with pytest.raises(ServiceError, match="has no address"):
        await Fetcher(policy(pages.server), resolve=nothing).fetch(f"http://none.example:{pages.server.port}/")


async def test_a_url_that_is_too_long(fetcher: Fetcher) -> None:
    with pytest.raises(InvalidInput, match="the limit is 8192"):
        await fetcher.fetch("http://a.example/" + "x" * 8192)


@pytest.mark.parametrize(
    "arguments", [{"schemes": frozenset({"ftp"})}, {"redirects_max": -1}, {"bytes_max": 0}, {"seconds_max": 0}]
)
def test_policies_that_make_no_sense(arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="web policy"):
        WebPolicy(**arguments)  # type: ignore[arg-type]
