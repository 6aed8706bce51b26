"""States as they were: what the policy keeps of an agent's past, and how it is read again.

The kernel calls `Keeper` within a turn: rows of kind `state` ride in the turn's own commit, so that nothing is kept of
what did not happen. `aos diff`, `fork` and `replay` read them with `Past`. The newest comes first by name.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import msgspec

from AgentOperatingSystem.agents.context import Collected
from AgentOperatingSystem.agents.conversation import HEAD, MESSAGE, ConversationHead, message_prefix
from AgentOperatingSystem.errors import NotFound
from AgentOperatingSystem.events import fingerprint
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.awake import Awake
from AgentOperatingSystem.orchestration.cases import Case
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.work import Work
from AgentOperatingSystem.storage.records import STATE, EventRow, Row

OFF, STEPS, ALL = "off", "steps", "all"
"""What is kept: nothing, the states around events that have steps, or those around every event."""
STATES_AT_ONCE: Final = 32
"""Events of a turn where the state after each is kept: the smallest store's transaction holds 100 rows."""
_VERSION_MAX: Final = 10**15
_PLACE_MAX: Final = 9999
_CHANGED: Final = ("memory", HEAD)
"""Kinds of rows whose changes are kept with a state; messages are only ever added, so their numbers tell."""
_PAGE = 20
_encode = msgspec.json.encode


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One state that is kept."""

    version: int
    """The agent's version whose commit kept it."""
    event: str = ""
    """The key of the event that left it; empty where it is what an event with steps found."""
    at: float = 0.0
    """UTC seconds."""
    schema: int = 1
    state: msgspec.Raw = msgspec.Raw(b"null")
    marks: dict[str, str] = {}
    """What the event sent at its end: a hash of type, subject and data, by id."""
    changed: tuple[tuple[str, str, tuple[msgspec.Raw, ...]], ...] = ()
    """Kind, name and new value of the small rows that the event changed; no value where it removed the row."""


class _Elsewhere(msgspec.Struct, frozen=True):
    """A kept state that is a blob."""

    blob: str = ""


class Moment(msgspec.Struct, frozen=True):
    """A kept state with its place in the history."""

    name: str
    kept: Kept


def kept_name(version: int, place: int) -> str:
    """The name of a kept state's row: what is newer comes first."""
    return f"{_VERSION_MAX - version:016d}-{_PLACE_MAX - place:04d}"


# --- keeping, within a turn ---------------------------------------------------------------------------------------


class Keeper:
    """Puts the states of one turn into its work."""

    def __init__(self, parts: Parts, awake: Awake, work: Work) -> None:
        self._parts = parts
        self._awake = awake
        self._work = work
        self._policy = parts.rules.history_states

    async def found(self, *, claims: bool = False) -> None:
        """What an event is about to find; nothing where it is the state that was kept last."""
        is_asked = self._policy == ALL or (claims and self._policy == STEPS)
        if is_asked and self._awake.kept != self._awake.current:
            await self._keep("", {}, {})

    async def left(self, case: Case, collected: Collected) -> None:
        """What an event has left, what it sent, and which rows it changed."""
        if self._policy == ALL or (self._policy == STEPS and case.row is not None and case.row.claims):
            await self._keep(case.key, collected.rows, {each.id: fingerprint(each) for each in collected.events})

    async def _keep(self, key: str, rows: Mapping[tuple[str, str], Row], marks: dict[str, str]) -> None:
        awake, work = self._awake, self._work
        version = work.head.version + 1
        place = sum(kind == STATE for kind, _ in work.rows)
        kept = Kept(
            version=version,
            event=key,
            at=work.now,
            schema=awake.kind.codec.schema if awake.kind is not None else 1,
            state=msgspec.Raw(awake.current or b"null"),
            marks=marks,
            changed=tuple(
                (row.kind, row.name, (msgspec.Raw(row.value),) if row.value is not None else ())
                for row in rows.values()
                if row.kind in _CHANGED
            ),
        )
        content = _encode(kept)
        if len(content) > self._parts.inline_bytes_max // 2:
            content = _encode(_Elsewhere(await self._parts.blobs.put(content)))
            work.state_blobs = True
        name = kept_name(version, place)
        work.rows[STATE, name] = Row(STATE, name, content)
        awake.kept = awake.current


# --- reading, from outside ----------------------------------------------------------------------------------------


class Past:
    """What is kept of one agent's past. Every method raises `StoreUnavailable`."""

    def __init__(self, parts: Parts, agent: AgentId) -> None:
        self._parts = parts
        self.agent = agent

    async def at_version(self, version: int) -> Moment:
        """The newest state that was kept at or before a version. Raises `NotFound`."""
        return await self._first(f"{_VERSION_MAX - version:016d}", f"at or before version {version}")

    async def left_by(self, row: EventRow) -> Moment:
        """The state that an event has left. Raises `NotFound`."""
        page = await self._parts.store.rows(self.agent, STATE, f"{_VERSION_MAX - row.version:016d}-", limit=1000)
        for small in page.items:
            moment = await self._read(small)
            if moment.kept.event == row.key:
                return moment
        raise _not_kept(self.agent, f"after event {row.event.id!r}")

    async def found_by(self, row: EventRow) -> Moment:
        """The state that an event found when it was handled. Raises `NotFound`."""
        try:
            left = await self.left_by(row)
        except NotFound:
            return await self.at_version(row.version)
        return await self._first(left.name, f"before event {row.event.id!r}")

    async def rows_at(self, moment: Moment) -> tuple[dict[tuple[str, str], bytes], list[str]]:
        """Memory and conversations as they were at a moment, and the names of what nobody knows any more: what was
        changed after it and never kept before.
        """
        rows = await self._now()
        later: dict[tuple[str, str], None] = {}
        async for each in self._moments():
            if each.name >= moment.name:
                break
            later |= {(kind, name): None for kind, name, _ in each.kept.changed}
        unknown = await self._undo(rows, later, moment) if later else []
        return _without_later_messages(rows), unknown

    async def _undo(
        self, rows: dict[tuple[str, str], bytes], later: dict[tuple[str, str], None], moment: Moment
    ) -> list[str]:
        """Puts back what these rows were at a moment; answers those that nobody knows."""
        wanted = dict(later)
        for place in later:
            rows.pop(place, None)
        async for earlier in self._moments(moment):
            for kind, name, value in earlier.kept.changed:
                if (kind, name) in wanted:
                    del wanted[kind, name]
                    rows.update(((kind, name), bytes(each)) for each in value)
        return [f"{kind} {name}" for kind, name in wanted]

    async def _now(self) -> dict[tuple[str, str], bytes]:
        rows: dict[tuple[str, str], bytes] = {}
        for kind in (*_CHANGED, MESSAGE):
            after = ""
            while True:
                page = await self._parts.store.rows(self.agent, kind, after=after, limit=1000)
                rows |= {(kind, small.name): small.value for small in page.items if small.value is not None}
                after = page.after
                if not after:
                    break
        return rows

    async def _moments(self, begin: Moment | None = None) -> AsyncIterator[Moment]:
        """The newest first; from `begin` on."""
        if begin is not None:
            yield begin
        after = begin.name if begin is not None else ""
        while True:
            page = await self._parts.store.rows(self.agent, STATE, after=after, limit=_PAGE)
            for small in page.items:
                yield await self._read(small)
            after = page.after
            if not after:
                return

    async def _first(self, after: str, when: str) -> Moment:
        page = await self._parts.store.rows(self.agent, STATE, after=after, limit=1)
        if not page.items:
            raise _not_kept(self.agent, when)
        return await self._read(page.items[0])

    async def _read(self, small: Row) -> Moment:
        content = small.value or b"{}"
        blob = msgspec.json.decode(content, type=_Elsewhere).blob
        if blob:
            content = await self._parts.blobs.get(blob)
        return Moment(small.name, msgspec.json.decode(content, type=Kept))


def _not_kept(agent: AgentId, when: str) -> NotFound:
    return NotFound(f"no state of {agent} {when} is kept; the setting history_states says which are")


def _without_later_messages(rows: dict[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes]:
    """Messages that came after the newest that their conversation's head knows were said later."""
    last = {
        message_prefix(name): msgspec.json.decode(value, type=ConversationHead).last
        for (kind, name), value in rows.items()
        if kind == HEAD
    }

    def is_there(kind: str, name: str) -> bool:
        conversation, _, number = name.rpartition("/")
        return kind != MESSAGE or int(number) <= last.get(conversation, 0)

    return {place: value for place, value in rows.items() if is_there(*place)}


# --- differences --------------------------------------------------------------------------------------------------


class Difference(msgspec.Struct, frozen=True):
    """One place where two JSON values differ."""

    path: str
    """A JSON pointer (RFC 6901); empty for the whole."""
    change: str
    """`added`, `removed` or `changed`."""
    before: Any = None
    after: Any = None


def differences(before: Any, after: Any, path: str = "") -> list[Difference]:
    """Where two JSON values differ, by path. Lists are compared place by place."""
    if isinstance(before, dict) and isinstance(after, dict):
        pairs = {name: (before.get(name, _ABSENT), after.get(name, _ABSENT)) for name in (*before, *after)}
    elif isinstance(before, list) and isinstance(after, list):
        length = max(len(before), len(after))
        pairs = {str(at): (_item(before, at), _item(after, at)) for at in range(length)}
    else:
        is_same = type(before) is type(after) and before == after
        return [] if is_same else [Difference(path, "changed", before, after)]
    return [each for name, pair in pairs.items() for each in _at(f"{path}/{_escaped(name)}", *pair)]


_ABSENT: Final = object()


def _at(path: str, before: Any, after: Any) -> list[Difference]:
    if before is _ABSENT:
        return [Difference(path, "added", after=after)]
    if after is _ABSENT:
        return [Difference(path, "removed", before=before)]
    return differences(before, after, path)


def _item(items: list[Any], at: int) -> Any:
    return items[at] if at < len(items) else _ABSENT


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


async def as_now(server: ContextMCPServer) -> Moment:
    """The state of an agent as it is now."""
    await server.initialize()
    head = server.head
    state = msgspec.Raw(await server.state_bytes() or b"null")
    return Moment("", Kept(version=head.version, at=head.updated_at, schema=head.schema, state=state))
