"""`Memory`: what an agent knows, by topic, up to a size. The specification's SDK has it as `self.memory` (row 118).

What is stored is collected first. `Agent` writes it at the end of the event, into the agent's memory rows, so that it
rides in the event's one commit; a handler that fails has stored nothing.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, TooLarge
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.observability import actions

KNOWLEDGE = "knowledge/"
ORDER = "knowledge.order/"
LEDGER = "knowledge.ledger"
TOPICS_MAX = 1000
"""How many topics, the newest first, a query by words looks at."""
_ORDER_MAX = 10**16
_SIZE = re.compile(r"(\d+)\s*([KMGT]?i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Knowledge(msgspec.Struct, frozen=True):
    """What is known about a topic."""

    topic: str
    content: Any


class _Kept(msgspec.Struct, frozen=True):
    """A row of knowledge."""

    topic: str
    content: Any
    order: int
    size: int


class _Ledger(msgspec.Struct):
    """How much is kept, and the places of the oldest and of the next."""

    size: int = 0
    first: int = 0
    next: int = 0


class Shelf(Protocol):
    """Where knowledge lies."""

    async def recall(self, key: str) -> Any: ...

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]: ...

    async def remember_all(self, values: Mapping[str, Any]) -> None:
        """Writes all of it, or nothing; a value of None removes."""
        ...


class _Process:
    """A shelf that is gone with its process."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    async def recall(self, key: str) -> Any:
        return self._values.get(key)

    async def recall_prefix(self, prefix: str, limit: int = 100) -> dict[str, Any]:
        names = sorted(name for name in self._values if name.startswith(prefix))
        return {name: self._values[name] for name in names[:limit]}

    async def remember_all(self, values: Mapping[str, Any]) -> None:
        self._values |= values
        self._values = {name: value for name, value in self._values.items() if value is not None}


class Memory:
    """Knowledge up to `working_size` (`"256MB"`, `"64 KiB"`, or bytes): what was stored longest ago makes room.

    A persistent memory is a part of its agent: committed with the event that stores, there after every restart. One
    that is not lives as long as the agent's object in this process.

    Raises `ConfigurationError` for a size that is none.
    """

    def __init__(self, working_size: str | int = "256MB", persistent: bool = True) -> None:
        self.working_size_bytes = size_bytes(working_size)
        self.persistent = persistent
        self._owner: AgentId | None = None
        self._staged: list[tuple[str, bytes]] = []
        self._process = _Process()

    def store_knowledge(self, topic: str, content: Any) -> None:
        """Keeps a JSON value under `topic`, in place of what was there; written at the end of the event.

        Raises `InvalidInput` for an empty topic or what is no JSON, `TooLarge` where it alone is over the size.
        """
        if not isinstance(topic, str) or not topic.strip():
            raise InvalidInput(f"knowledge needs a topic, not {topic!r}")
        encoded = encode(content)
        size = _size(topic, encoded)
        if size > self.working_size_bytes:
            raise TooLarge(f"knowledge {topic[:80]!r}: {size} bytes; working_size is {self.working_size_bytes}")
        self._staged.append((topic, encoded))

    async def query(self, topic: str = "", limit: int = 5) -> list[Knowledge]:
        """What is known: the topic itself first, then topics that share words with it, the newest first.

        Without a topic, the newest. What this handling has stored is found too.
        """
        await self.flush()
        shelf = self._shelf()
        known = [str(each["topic"]) for each in (await shelf.recall_prefix(ORDER, TOPICS_MAX)).values()]
        found = [await shelf.recall(_key(each)) for each in ranked(topic, known)[:limit]]
        return [Knowledge(each["topic"], each["content"]) for each in found if each is not None]

    async def size(self) -> int:
        """How many bytes are kept: topics and contents as JSON."""
        await self.flush()
        return (await _ledger(self._shelf())).size

    async def flush(self) -> None:
        """Writes what was stored: into the turn that is under way, else in one commit of its own."""
        staged, self._staged = self._staged, []
        if not staged:
            return
        shelf = self._shelf()
        writing = _Writing(shelf, await _ledger(shelf), self.working_size_bytes)
        for topic, encoded in staged:
            await writing.put(topic, encoded)
        await shelf.remember_all(writing.values | {LEDGER: msgspec.to_builtins(writing.ledger)})
        if self._owner is not None:
            actions.knows(str(self._owner), "knowledge", writing.ledger.size)

    def begin(self, owner: AgentId) -> None:
        """Called by the agent at the beginning of an event: what a failed handling stored is forgotten."""
        self._owner = owner
        self._staged = []

    def belongs_to(self, owner: AgentId) -> None:
        """Whose memory this is."""
        self._owner = owner

    def _shelf(self) -> Shelf:
        if not self.persistent:
            return self._process
        if self._owner is None:
            raise ConfigurationError("a persistent memory belongs to an agent: assign it to `self.memory`")
        return ContextMCPServer(self._owner)


class _Writing:
    """What storing changes, with room made for it."""

    def __init__(self, shelf: Shelf, ledger: _Ledger, size_max: int) -> None:
        self.values: dict[str, Any] = {}
        self.ledger = ledger
        self._shelf = shelf
        self._size_max = size_max

    async def put(self, topic: str, encoded: bytes) -> None:
        await self._drop(topic)
        size = _size(topic, encoded)
        while self.ledger.size + size > self._size_max and self.ledger.first < self.ledger.next:
            oldest = await self._recall(_place(self.ledger.first))
            self.ledger.first += 1
            if oldest is not None:
                await self._drop(oldest["topic"])
        kept = _Kept(topic, msgspec.json.decode(encoded), self.ledger.next, size)
        self.values |= {_key(topic): msgspec.to_builtins(kept), _place(kept.order): {"topic": topic}}
        self.ledger.next += 1
        self.ledger.size += size

    async def _drop(self, topic: str) -> None:
        kept = await self._recall(_key(topic))
        if kept is not None:
            self.values |= {_key(topic): None, _place(kept["order"]): None}
            self.ledger.size -= kept["size"]

    async def _recall(self, key: str) -> Any:
        return self.values[key] if key in self.values else await self._shelf.recall(key)


async def _ledger(shelf: Shelf) -> _Ledger:
    return msgspec.convert(await shelf.recall(LEDGER) or {}, _Ledger)


def ranked(topic: str, known: list[str]) -> list[str]:
    """The topics that answer a query, the best first; `known` has the newest first."""
    asked = _words(topic)
    scores = {each: len(asked & _words(each)) for each in known}
    if not topic.strip():
        return known
    others = sorted((each for each in known if scores[each] and each != topic), key=lambda each: -scores[each])
    return [topic, *others]


def size_bytes(size: str | int) -> int:
    """`"256MB"` is 256,000,000 bytes, `"256MiB"` 268,435,456. Raises `ConfigurationError`."""
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    found = _SIZE.fullmatch(size.strip()) if isinstance(size, str) else None
    if found is None or int(found[1]) == 0 or found[2].lower() == "i":
        raise ConfigurationError(f"working_size {size!r}: write a size such as '256MB', '64 KiB', or a number of bytes")
    unit = found[2].lower()
    base: int = 1024 if unit.endswith("i") else 1000
    return int(found[1]) * int(base ** _POWERS[unit.removesuffix("i")])


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _size(topic: str, encoded: bytes) -> int:
    return len(topic.encode("utf-8", "surrogatepass")) + len(encoded)


def _key(topic: str) -> str:
    return KNOWLEDGE + sha256(topic.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _place(order: int) -> str:
    """Where a topic stands among the others: names are read in their order, and the newest is to be first."""
    return f"{ORDER}{_ORDER_MAX - order:017d}"
