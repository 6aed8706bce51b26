"""Small records to fill stores and brokers with, and an agent's partition as a test drives it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from AgentOperatingSystem.events import Event, Message, event_message
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Change, Committed, EventRow, Head, Row, Status

COUNTER = AgentId("counter")
ODD_TEXTS = (
    "/",
    "|",
    ":",
    "%",
    "_",
    "\\",
    "'",
    '"',
    "''--",
    "*",
    "#",
    "a/b|c:d%e_f",
    "%%",
    "__",
    " ",
    "~",
    "\x7f",
    "é",
    "e\u0301",
    "名前",
    "🙂",
    "👩‍👩‍👧",
    "\ufffd",
    "\U0010fffd",
    "\U0010ffff",
    "\U0010ffff\U0010ffff",
    "x" * 512,
)
"""Texts that a careless query, cursor or key would trip over."""


def event(event_id: str = "1", agent: AgentId = COUNTER, **fields: Any) -> Event:
    """An event for `agent`."""
    return Event(
        **({"type": "test.happened", "source": "/test"} | fields), id=event_id, agent=agent, tenant=agent.tenant
    )


def row(event_id: str, agent: AgentId = COUNTER, *, data: Any = None, **fields: Any) -> EventRow:
    """The row of an event that is done, unless `fields` say otherwise."""
    happened = event(event_id, agent, data=data)
    return EventRow(key=happened.key, event=happened, **fields)


def parked(event_id: str, order: int, agent: AgentId = COUNTER, *, due: float = 0.0, **fields: Any) -> EventRow:
    """The row of an event that waits in its agent's mailbox."""
    return row(event_id, agent, status=Status.PARKED, order=order, due=due, **fields)


def message(event_id: str, agent: AgentId = COUNTER, *, due: float = 0.0, data: Any = None) -> Message:
    """A message that carries an event to `agent`."""
    return event_message(event(event_id, agent, due=due, data=data))


def change(agent: AgentId = COUNTER, version: int = 1, **fields: Any) -> Change:
    """The change that takes an agent from the version before to `version`; the ETag is the caller's to give."""
    head = fields.pop("head", Head(agent=agent))
    moved = msgspec.structs.replace(head, agent=agent, version=version)
    return Change(head=moved, etag=fields.pop("etag", ""), **fields)


class Writer:
    """Commits to one agent, one change after the other, as its only writer."""

    def __init__(self, store: AgentStore, agent: AgentId = COUNTER) -> None:
        self.store = store
        self.agent = agent
        self.etag = ""
        self.version = 0

    async def commit(self, **fields: Any) -> Committed:
        """Commits the next version; rows that are given get it as theirs."""
        version = self.version + 1
        for name in ("inserts", "updates"):
            rows: Sequence[EventRow] = fields.get(name, ())
            fields[name] = tuple(msgspec.structs.replace(each, version=version) for each in rows)
        committed = await self.store.commit(change(self.agent, version, etag=self.etag, **fields))
        self.etag, self.version = committed.etag, version
        return committed

    async def remember(self, *names: str, kind: str = "memory") -> None:
        """Writes small rows whose values are their names."""
        await self.commit(rows=tuple(Row(kind, name, name.encode("utf-8")) for name in names))
