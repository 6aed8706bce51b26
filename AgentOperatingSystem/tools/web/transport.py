"""The one way out: an httpx2 transport that connects only to addresses that were checked, and to no other afterwards.

`WebTransport` can stand under any `httpx2.AsyncClient`; each request, so each redirect, passes through it. It resolves
the host once, checks every address, and connects to one of them by number, while certificate, SNI and `Host` stay those
of the name: a name that changes its mind between check and connection (DNS rebinding) changes nothing.
"""

import ssl
from collections.abc import Sequence
from functools import cache
from ipaddress import IPv6Address, ip_address
from types import TracebackType
from typing import Self

import httpx2

from AgentOperatingSystem.tools.web.policy import WebPolicy
from AgentOperatingSystem.tools.web.resolving import Resolve, checked_addresses, system_resolve
from AgentOperatingSystem.tools.web.urls import check_url

ATTEMPTS_MAX = 3  # addresses of one name that are tried


class WebTransport(httpx2.AsyncBaseTransport):
    """Raises `AddressRefused` or `InvalidInput` before any connection is made; otherwise as httpx2's own transport.

    Nothing of the environment counts: no proxy, no certificate file. A connection serves one request: pooled by number,
    it could otherwise serve another name at the same address that its certificate was never checked for.
    """

    def __init__(
        self, policy: WebPolicy, *, resolve: Resolve = system_resolve, tls: ssl.SSLContext | None = None
    ) -> None:
        self._policy = policy
        self._resolve = resolve
        self._inner = httpx2.AsyncHTTPTransport(
            verify=tls or ssl_context(), trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0)
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = check_url(request.url, self._policy)
        addresses = await checked_addresses(host, self._policy, self._resolve)
        return await self._first_that_connects(request, host, addresses[:ATTEMPTS_MAX])

    async def _first_that_connects(
        self, request: httpx2.Request, host: str, addresses: Sequence[str]
    ) -> httpx2.Response:
        """A connection that fails has sent nothing, so the next address may be tried."""
        for address in addresses[:-1]:
            try:
                return await self._inner.handle_async_request(pinned(request, host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(pinned(request, host, addresses[-1]))

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._inner.__aexit__(exc_type, exc_value, traceback)

    async def aclose(self) -> None:
        await self._inner.aclose()


def pinned(request: httpx2.Request, host: str, address: str) -> httpx2.Request:
    """The same request to a number, with everything that the server and its certificate are asked for kept."""
    parsed = ip_address(address)
    number = f"[{parsed}]" if isinstance(parsed, IPv6Address) else str(parsed)
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=number),
        headers=request.headers,  # `Host` among them, as the client wrote it
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


@cache
def ssl_context() -> ssl.SSLContext:
    """The operating system's certificate authorities, hosts checked; read once."""
    return ssl.create_default_context()
