"""The HTTP transport under the SDKs' clients: theirs, over aiohttp, made fit for large bodies.

Made by `account`, one per client; tests hand in their own, which count or fail.
"""

from io import BytesIO
from typing import Any, Final
from urllib.request import getproxies

from azure.core.pipeline.transport import AioHttpTransport

STREAMED_BYTES: Final = 1 << 20
"""Above this, aiohttp wants a stream, which it sends in parts while the event loop goes on."""
CONNECT_SECONDS: Final = 10
READ_SECONDS: Final = 60


class Transport(AioHttpTransport):  # type: ignore[misc]  # the SDK loads it lazily, so its type is not known
    """Sends large bodies as streams. Proxies that the environment names are used, as the SDK does."""

    def __init__(self) -> None:
        super().__init__(
            connection_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            use_env_settings=bool(getproxies()),  # else aiohttp asks a thread for the proxy before every request
        )

    async def send(self, request: Any, **config: Any) -> Any:  # the SDK has one overload for each of its request types
        body = request.data
        if isinstance(body, bytes | str) and len(body) > STREAMED_BYTES // 4:
            content = body.encode() if isinstance(body, str) else body
            request.data = BytesIO(content) if len(content) > STREAMED_BYTES else content
        return await super().send(request, **config)
