"""Time travel: what changed between two moments of an agent, and an agent made anew from one of them.

Reads what the policy kept (`history.py`); writes only the new agent, through the archivist's import.
"""

import base64

import msgspec

from AgentOperatingSystem.errors import InvalidInput, UnknownAgent, UnknownEvent
from AgentOperatingSystem.ids import AgentId, event_key
from AgentOperatingSystem.orchestration.archive import FORMAT, Archive, Archivist
from AgentOperatingSystem.orchestration.history import Difference, Kept, Moment, Past, as_now, differences
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import EventRow, Head, Row


class Diff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed in an agent's state between two moments."""

    agent: AgentId
    before: Kept
    after: Kept
    changes: tuple[Difference, ...]


class Forked(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that was made from a moment of another."""

    agent: AgentId
    origin: AgentId
    version: int
    """The origin's version whose state it has."""
    memory: int
    """How many keys it remembers."""
    conversations: int
    unknown: tuple[str, ...]
    """Rows that were changed after the moment and that nobody kept before: they are left out."""


class TimeDesk:
    """Looks back."""

    def __init__(self, parts: Parts, kernel: Kernel, archive: Archivist) -> None:
        self._parts = parts
        self._kernel = kernel
        self._archive = archive

    async def diff(self, agent: AgentId, before: int, after: int | None = None) -> Diff:
        """From the state at one version to that at another (default: now). Where none was kept at just that version,
        the newest before it stands for it; the answer says which.

        Raises `NotFound`, `UnknownAgent`.
        """
        past = Past(self._parts, agent)
        last = await self._now(agent)
        then = last if after is None or after >= last.kept.version else await past.at_version(after)
        return _diff(agent, await past.at_version(before), then)

    async def diff_at(self, agent: AgentId, source: str, event_id: str) -> Diff:
        """What one event has changed. Raises `UnknownEvent`, `NotFound`."""
        past, row = Past(self._parts, agent), await self.event(agent, source, event_id)
        return _diff(agent, await past.found_by(row), await past.left_by(row))

    async def fork(self, agent: AgentId, source: str, event_id: str, target: AgentId) -> Forked:
        """Makes `target` from the state, memory and conversations that an event has left: without its schedules, events
        and outputs.

        Raises `InvalidInput` where the target is of another type, `Conflict` where it exists, `UnknownEvent`,
        `NotFound`.
        """
        if target.name != agent.name or target == agent:
            raise InvalidInput(f"a fork of {agent} is another agent of its type: {agent.name}/KEY, not {target}")
        past, row = Past(self._parts, agent), await self.event(agent, source, event_id)
        moment = await past.left_by(row)
        rows, unknown = await past.rows_at(moment)
        now = self._parts.clock.now()
        document = Archive(
            format=FORMAT,
            head=Head(agent=target, schema=moment.kept.schema, created_at=now, updated_at=now),
            state=base64.b64encode(_content(moment.kept)).decode(),
            events=(),
            rows=tuple(Row(kind, name, value) for (kind, name), value in rows.items()),
        )
        await self._archive.import_(msgspec.json.encode(document), target)
        kinds = [kind for kind, _ in rows]
        return Forked(
            agent=target,
            origin=agent,
            version=moment.kept.version,
            memory=kinds.count("memory"),
            conversations=kinds.count("conversation"),
            unknown=tuple(unknown),
        )

    async def event(self, agent: AgentId, source: str, event_id: str) -> EventRow:
        """An event's row. Raises `UnknownEvent`."""
        row = await self._parts.store.event(agent, event_key(source, event_id))
        if row is None:
            raise UnknownEvent(f"{agent} has no event {event_id!r} from {source!r}")
        return row

    async def _now(self, agent: AgentId) -> Moment:
        server = await self._kernel.awaken_fresh(agent)
        if not server.etag:
            raise UnknownAgent(f"{agent} has never been woken: it has no state yet")
        return await as_now(server)


def _diff(agent: AgentId, before: Moment, after: Moment) -> Diff:
    values = (msgspec.json.decode(moment.kept.state) for moment in (before, after))
    return Diff(agent=agent, before=before.kept, after=after.kept, changes=tuple(differences(*values)))


def _content(kept: Kept) -> bytes:
    """The state as an agent's head has it: nothing where there was none."""
    return b"" if kept.state == msgspec.Raw(b"null") else bytes(kept.state)
