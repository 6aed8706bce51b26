"""A repository: JSON values under keys, with the same calls on every backend (specification row 106).

Applications keep here what belongs to no agent. Each key is a partition with a head and nothing else, so whatever keeps
agents keeps values: fenced by the head's ETag, durable when `save` returns, in a blob where they are large, and seen
by the collector of blobs.
"""

from typing import Any, Final

import msgspec

from AgentOperatingSystem.clock import Clock, SystemClock
from AgentOperatingSystem.errors import Conflict, InvalidAgentId, InvalidInput
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId
from AgentOperatingSystem.storage.ports import AgentStore, BlobStore
from AgentOperatingSystem.storage.records import Change, Control, Head, Page

OWNER: Final = "aos.repository"
ABSENT: Final = ""
"""The ETag of a key that has no value."""
_RACES_MAX: Final = 100
_replace = msgspec.structs.replace


class Repository:
    """Values of one tenant under one name; the keys of another name are others. Calls raise `StoreUnavailable`."""

    def __init__(
        self,
        store: AgentStore,
        blobs: BlobStore,
        name: str = "default",
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
        inline_bytes_max: int = 64 << 10,
    ) -> None:
        if not name or "/" in name:
            raise InvalidInput(f"repository name {name[:80]!r}: needs some text, without '/'")
        self._store = store
        self._blobs = blobs
        self._name = name
        self._tenant = tenant
        self._clock = clock or SystemClock()
        self._inline_bytes_max = inline_bytes_max

    async def save(self, key: str, value: Any, etag: str | None = None) -> str:
        """Keeps a JSON value under `key`, durable when this returns, and answers its ETag.

        With `etag`, only where that is still the value's own (`ABSENT`: where there is no value yet); else the last
        writer wins. Raises `Conflict`, `InvalidInput`, `InvalidEvent` where the value is not JSON.
        """
        content = encode(value)
        inline = len(content) <= self._inline_bytes_max
        blob = "" if inline else await self._blobs.put(content)
        return await self._move(key, etag, state=content if inline else b"", state_blob=blob, control=Control.ACTIVE)

    async def load(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`. Raises `BlobNotFound`, `StateUnreadable` where it is damaged."""
        head, etag = await self._head(key)
        return await self._value(head) if etag else default

    async def load_with_etag(self, key: str) -> tuple[Any, str]:
        """The value and its ETag; None and `ABSENT` where there is none."""
        head, etag = await self._head(key)
        return (await self._value(head) if etag else None), etag

    async def delete(self, key: str, etag: str | None = None) -> None:
        """Removes what is under `key`; removing nothing is the same. `etag` as with `save`."""
        _, present = await self._head(key)
        if present or etag is not None:
            await self._move(key, etag, state=b"", state_blob="", control=Control.TERMINATED)

    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Page[str]:
        """Keys that begin with `prefix`, in order; a page may hold fewer than `limit` and still not be the last."""
        begin = f"{OWNER}/{self._name}/"
        page = await self._store.agents(self._tenant, begin + prefix, after, limit)
        found = (head.agent for head in page.items if head.control is Control.ACTIVE)
        return Page(tuple(agent.key.removeprefix(f"{self._name}/") for agent in found), page.after)

    # --- inside --------------------------------------------------------------------------------------------------

    async def _move(self, key: str, etag: str | None, **fields: Any) -> str:
        """Commits the head as it is to be. A deleted key keeps an empty one, so that no old ETag is right again."""
        for _ in range(_RACES_MAX):
            found = await self._store.load(self._address(key))
            head, fence = found or (Head(agent=self._address(key), created_at=self._clock.now()), "")
            present = fence if head.control is Control.ACTIVE else ABSENT
            if etag is not None and etag != present:
                raise Conflict(f"{key!r} has the ETag {present!r}, not {etag!r}: somebody else has changed it")
            moved = _replace(head, version=head.version + 1, updated_at=self._clock.now(), **fields)
            try:
                return (await self._store.commit(Change(head=moved, etag=fence))).etag
            except Conflict:
                continue
        raise Conflict(f"{key!r}: lost the race for the value {_RACES_MAX} times")

    async def _head(self, key: str) -> tuple[Head, str]:
        found = await self._store.load(self._address(key))
        if found is None or found[0].control is not Control.ACTIVE:
            return Head(agent=self._address(key)), ABSENT
        return found

    async def _value(self, head: Head) -> Any:
        return msgspec.json.decode(await self._blobs.get(head.state_blob) if head.state_blob else head.state)

    def _address(self, key: str) -> AgentId:
        try:
            return AgentId(OWNER, f"{self._name}/{key}", self._tenant)
        except InvalidAgentId as error:
            raise InvalidInput(f"key {key[:80]!r} of repository {self._name!r}: {error}") from None
