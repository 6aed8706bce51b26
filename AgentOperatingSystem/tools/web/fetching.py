"""Fetches one document from the web within limits. Tools call `fetch`; it goes out through `WebTransport` alone."""

import asyncio
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from AgentOperatingSystem.errors import ServiceError, TooLarge
from AgentOperatingSystem.tools.web.policy import WebPolicy
from AgentOperatingSystem.tools.web.resolving import Resolve, system_resolve
from AgentOperatingSystem.tools.web.transport import WebTransport, ssl_context
from AgentOperatingSystem.tools.web.urls import parse_url, port_of

USER_AGENT = "AgentOperatingSystem (+https://pypi.org/project/agent-operating-system/)"
_HARMLESS = {"accept", "accept-encoding", "accept-language", "connection", "host", "user-agent"}
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came. `url` is where it came from in the end, after redirects."""

    url: str
    status: int
    media_type: str  # without parameters, in lower case; empty where none was said
    charset: str
    content: bytes


class Fetcher:
    """Fetches under one policy. Safe to share: no cookies or connections are kept between calls."""

    def __init__(
        self,
        policy: WebPolicy | None = None,
        *,
        resolve: Resolve = system_resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.policy = policy or WebPolicy()
        self._resolve = resolve
        self._tls = tls or ssl_context()

    async def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Fetched:
        """The document at `url`, whatever its status.

        Raises `InvalidInput` and `AddressRefused` for URLs, also those that a redirect leads to; `TooLarge` for a body
        over `bytes_max`; `ServiceError` where the server cannot be reached, takes too long, redirects too often or
        breaks the protocol.
        """
        parsed = parse_url(url, self.policy)
        said = {"User-Agent": USER_AGENT, **(headers or {}), "Accept-Encoding": "gzip"}
        try:
            async with asyncio.timeout(self.policy.seconds_max), self._client() as client:
                request = client.build_request(method, parsed, headers=said, content=body)
                return await self._follow(client, request)
        except TimeoutError:
            raise ServiceError(f"{url[:200]}: no answer within {self.policy.seconds_max} s") from None
        except httpx2.HTTPError as error:
            raise ServiceError(f"{url[:200]}: {type(error).__name__}: {error}") from None

    def _client(self) -> httpx2.AsyncClient:
        transport = WebTransport(self.policy, resolve=self._resolve, tls=self._tls)
        return httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self.policy.seconds_max)

    async def _follow(self, client: httpx2.AsyncClient, request: httpx2.Request) -> Fetched:
        """Redirects by hand: the body of one is not read, and there is an end to them."""
        for _ in range(self.policy.redirects_max + 1):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                if response.next_request is None:
                    return await self._receive(response)
                request = _redirected(request, response.next_request)
            finally:
                await response.aclose()
        raise ServiceError(f"{request.url}: more than {self.policy.redirects_max} redirects")

    async def _receive(self, response: httpx2.Response) -> Fetched:
        media_type, _, parameters = response.headers.get("content-type", "").partition(";")
        return Fetched(
            url=str(response.url),
            status=response.status_code,
            media_type=media_type.strip().lower(),
            charset=_charset(parameters),
            content=await _body(response, self.policy.bytes_max),
        )


def _redirected(request: httpx2.Request, following: httpx2.Request) -> httpx2.Request:
    """The request that a redirect asks for: to another origin it takes no key that a caller's header may hold."""
    if request.method not in ("GET", "HEAD"):
        raise ServiceError(f"{request.url}: redirects a {request.method}, which is not sent again")
    if _origin(request.url) != _origin(following.url):
        for name in set(following.headers) - _HARMLESS:
            del following.headers[name]
    return following


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)


async def _body(response: httpx2.Response, bytes_max: int) -> bytes:
    """The body, decompressed. Neither what comes nor what it becomes may be larger than the limit, at any moment."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip"):
        raise ServiceError(f"{response.url}: the body is encoded as {encoding!r}, which was not asked for")
    inflate = zlib.decompressobj(_GZIP) if encoding != "identity" else None
    body, came = bytearray(), 0
    async for part in response.aiter_raw():
        came += len(part)
        body += _inflated(inflate, part, bytes_max + 1 - len(body), response) if inflate else part
        if max(came, len(body)) > bytes_max:
            raise TooLarge(f"{response.url}: the body is larger than {bytes_max} bytes")
    if inflate and came and not inflate.eof:
        raise ServiceError(f"{response.url}: the compressed body breaks off")
    return bytes(body)


def _inflated(inflate: "zlib._Decompress", part: bytes, room: int, response: httpx2.Response) -> bytes:
    try:
        return inflate.decompress(part, room)
    except zlib.error as error:
        raise ServiceError(f"{response.url}: the body is not gzip: {error}") from None


def _charset(parameters: str) -> str:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'").lower()
    return ""
