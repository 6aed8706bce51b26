"""The one edge where a model call leaves the process: JSON out, JSON or a stream of JSON back, in bounded time.

`provider.HttpProvider` calls it with what a wire has written. Whatever goes wrong on the way (refused, unreachable,
cut, late, not JSON) leaves here as a `ModelError`; a key never appears in one. Retries are a wrapper's business.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeAlias, TypeVar

import httpx2
import msgspec

from AgentOperatingSystem.errors import MalformedAnswer, ModelError, ModelUnauthorized, ModelUnavailable
from AgentOperatingSystem.ml.faults import from_status
from AgentOperatingSystem.ml.records import NOTHING_USED
from AgentOperatingSystem.ml.wires import Framing

T = TypeVar("T")
Headers: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
Complaint: TypeAlias = Callable[[str, int, Any, Mapping[str, str]], ModelError]
"""Makes the error for a refused call, from who refused it, the status, the body and the headers in lower case."""

CONNECT_SECONDS = 10.0
# One provider's connections in one process; more calls wait for one, within their own time.
_LIMITS = httpx2.Limits(max_connections=256, max_keepalive_connections=32)
ANSWER_BYTES_MAX = 64 << 20
_REDACTED = "[redacted]"


class HttpEdge:
    """One provider's base address and credentials. The connections are made at the first call."""

    def __init__(self, who: str, base_url: str, headers: Headers, complaint: Complaint = from_status) -> None:
        self.who = who
        self._complaint = complaint
        self.base_url = base_url.rstrip("/")
        self._headers = headers
        self._client: httpx2.AsyncClient | None = None

    async def call(
        self, path: str, body: Mapping[str, Any] | None, timeout_seconds: float, *, method: str = "POST"
    ) -> Any:
        """The answer's JSON; None where the answer is empty and nothing was asked in the body. Raises `ModelError`s."""
        deadline = _now() + timeout_seconds
        answers = self._exchange(path, body, None, method)
        async with aclosing(_until(deadline, answers, self._late(timeout_seconds))) as limited:
            content = await anext(limited)
            return decoded(self.who, content) if content or body is not None else None

    async def stream(
        self, path: str, body: Mapping[str, Any], timeout_seconds: float, framing: Framing
    ) -> AsyncGenerator[bytes, None]:
        """The data of each server-sent event, or each line; the time limit is for all of it. Raises `ModelError`s."""
        deadline = _now() + timeout_seconds
        answers = self._exchange(path, body, framing)
        async with aclosing(_until(deadline, answers, self._late(timeout_seconds))) as limited:
            async for piece in limited:
                yield piece

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _exchange(
        self, path: str, body: Mapping[str, Any] | None, framing: Framing | None, method: str = "POST"
    ) -> AsyncGenerator[bytes, None]:
        """One request and its answer, whole (`framing` None) or in pieces; a second one where the key was refused and
        has been exchanged meanwhile.
        """
        headers = await self._headers()
        try:
            async with aclosing(self._sent(method, path, body, framing, headers)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except ModelUnauthorized:
            if not await self._is_renewed(headers):
                raise
        async with aclosing(self._sent(method, path, body, framing, await self._headers())) as pieces:
            async for piece in pieces:
                yield piece

    async def _is_renewed(self, sent: Mapping[str, str]) -> bool:
        renewed = getattr(self._headers, "renewed", None)
        return renewed is not None and bool(await renewed(sent))

    async def _sent(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        framing: Framing | None,
        headers: Mapping[str, str],
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with self._opened().stream(
                method,
                self.base_url + path,
                content=b"" if body is None else msgspec.json.encode(body),
                headers={"Content-Type": "application/json", **headers},
            ) as response:
                if not response.is_success:
                    raise self._refused(response.status_code, await _read(response), response.headers, headers)
                async with aclosing(_pieces(response, framing)) as pieces:
                    async for piece in pieces:
                        yield piece
        except httpx2.TransportError as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            unavailable = ModelUnavailable(f"{self.who}: {self.base_url} failed: {why}")
            if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                unavailable.usage = NOTHING_USED
            raise unavailable from error
        except (httpx2.DecodingError, httpx2.InvalidURL) as error:
            raise MalformedAnswer(f"{self.who}: {self.base_url}: {error}") from error

    def _refused(self, status: int, content: bytes, answered: Mapping[str, str], sent: Mapping[str, str]) -> Exception:
        text = content.decode("utf-8", "replace")
        for secret in (value.removeprefix("Bearer ") for value in sent.values()):
            text = text.replace(secret, _REDACTED) if len(secret) >= 4 else text
        try:
            body = msgspec.json.decode(text)
        except msgspec.DecodeError:
            body = text
        return self._complaint(self.who, status, body, {name.lower(): value for name, value in answered.items()})

    def _late(self, timeout_seconds: float) -> ModelUnavailable:
        return ModelUnavailable(f"{self.who}: no whole answer within {timeout_seconds:g} s")

    def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            encrypted = self.base_url.startswith("https:")
            self._client = httpx2.AsyncClient(
                timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),  # the whole call has its own limit
                limits=_LIMITS,
                # Certificates take 0.1 s to load, and a proxy is nothing to a server on this machine.
                verify=encrypted,
                trust_env=encrypted,
            )
        return self._client


def decoded(who: str, content: bytes) -> Any:
    """JSON from a provider. Raises `MalformedAnswer`."""
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        shown = content[:100].decode("utf-8", "replace")
        raise MalformedAnswer(f"{who} answered something that is not JSON ({error}): {shown!r}") from None


async def _pieces(response: httpx2.Response, framing: Framing | None) -> AsyncGenerator[bytes, None]:
    whole = response.headers.get("content-type", "").startswith("application/json")
    if framing is None or (framing == "events" and whole):  # a complaint with status 200 is not streamed
        yield await _read(response)
    elif framing == "events":
        async for event in httpx2.EventSource(response, max_event_size=ANSWER_BYTES_MAX):
            if event.data:
                yield event.data.encode()
    else:
        async for line in response.aiter_lines():
            if line.strip():
                yield line.encode()


async def _read(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise MalformedAnswer(f"{response.url.host} answered more than {ANSWER_BYTES_MAX} bytes")
    return bytes(content)


async def _until(deadline: float, steps: AsyncGenerator[T, None], late: Exception) -> AsyncGenerator[T, None]:
    """The steps, as long as they come before the deadline; then `late` is raised. Only waiting for a step is timed:
    what the consumer does between two is its own affair.
    """
    async with aclosing(steps):
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    step = await anext(steps)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise late from None
            yield step


def _now() -> float:
    return asyncio.get_running_loop().time()
