"""What lies in a blob container: names with the time of the last put, page by page. Used by `blobs` and `overflow`.

That time is the metadata `put_at`, in this system's UTC seconds, because collectors compare it with times of this
system and not of the service.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

from azure.storage.blob.aio import ContainerClient

from AgentOperatingSystem.storage.azure.calls import Calls

PUT_AT: Final = "put_at"
_PAGE: Final = 1000


def stamped(calls: Calls) -> dict[str, str]:
    """The metadata of a blob that is put now."""
    return {PUT_AT: repr(calls.clock.now())}


def put_at(blob: Any) -> float:
    """When a blob was last put; one that somebody else laid there is as old as can be."""
    return float((blob.metadata or {}).get(PUT_AT, 0.0))


async def listed(container: ContainerClient, calls: Calls, prefix: str = "") -> AsyncIterator[tuple[str, float]]:
    """All blobs whose names begin with `prefix`. Raises `StoreUnavailable`."""
    token: str | None = ""
    while token is not None:
        page, token = await calls.repeated(
            f"container {container.container_name}", partial(_page, container, prefix, token)
        )
        for blob in page:
            yield blob.name, put_at(blob)


async def _page(container: ContainerClient, prefix: str, token: str) -> tuple[list[Any], str | None]:
    pager: Any = container.list_blobs(
        name_starts_with=prefix or None, include=["metadata"], results_per_page=_PAGE
    ).by_page(token or None)
    try:
        page = [blob async for blob in await anext(pager)]
    except StopAsyncIteration:
        return [], None
    return page, pager.continuation_token or None
