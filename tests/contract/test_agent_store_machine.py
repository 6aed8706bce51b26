"""Every `AgentStore` against the simplest model of one, through sequences of operations that Hypothesis makes up.

The sequences follow from the code of this file alone (`derandomize`), so a failure repeats.
"""

import asyncio
import math
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from AgentOperatingSystem.errors import Conflict, Duplicate
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.records import Change, EventRow, Head, Page, Row, Status
from tests.contract.conftest import AGENT_STORES, AgentStores
from tests.contract.machines import bounded
from tests.contract.samples import ODD_TEXTS, row

AGENTS = (
    AgentId("a"),
    AgentId("a", "x/y|z"),
    AgentId("a", "x", "default2"),
    AgentId("b", "", "default2"),
)
EVENT_IDS = tuple("abcdefg")
T = TypeVar("T")

agents = st.sampled_from(AGENTS)
names = st.sampled_from(ODD_TEXTS) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
small_rows = st.builds(Row, st.sampled_from(("memory", "timer")), names, st.none() | st.binary(max_size=8))
event_fields = st.fixed_dictionaries(
    {
        "status": st.sampled_from(Status),
        "order": st.integers(-3, 3),
        "due": st.sampled_from((0.0, 1.5, 1e9)),
        "reason": st.text(st.characters(codec="utf-8"), max_size=5),
    }
)
some_events = st.dictionaries(st.sampled_from(EVENT_IDS), event_fields, max_size=3)


@dataclass
class ModelAgent:
    """What a partition should hold."""

    head: Head
    etag: str
    events: dict[str, EventRow] = field(default_factory=dict)
    rows: dict[tuple[str, str], bytes] = field(default_factory=dict)


class StoreMachine(RuleBasedStateMachine):
    """A store and a dictionary do the same, and must say the same."""

    opener: AgentStores

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="aos-contract-"))
        self.stack = AsyncExitStack()
        self.store: AgentStore = self.runner.run(self.stack.enter_async_context(type(self).opener(self.folder)))
        self.model: dict[AgentId, ModelAgent] = {}

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)

    # --- what is done to both ------------------------------------------------------------------------------------

    @rule(
        agent=agents,
        is_stale=st.booleans() | st.just(False) | st.just(False),
        inserts=some_events,
        updates=some_events,
        deletes=st.lists(st.sampled_from(EVENT_IDS), max_size=2),
        rows=st.lists(small_rows, max_size=3, unique_by=lambda each: (each.kind, each.name)),
        state=st.binary(max_size=20),
    )
    def commit(
        self,
        agent: AgentId,
        is_stale: bool,
        inserts: dict[str, Any],
        updates: dict[str, Any],
        deletes: list[str],
        rows: list[Row],
        state: bytes,
    ) -> None:
        known = self.model.get(agent)
        version = (known.head.version if known else 0) + 1
        etag = ("7000" if known is None else "") if is_stale else (known.etag if known else "")
        moved = {name: fields for name, fields in updates.items() if name not in inserts}
        change = Change(
            head=Head(agent=agent, version=version, state=state),
            etag=etag,
            inserts=tuple(row(name, agent, version=version, **fields) for name, fields in inserts.items()),
            updates=tuple(row(name, agent, version=version, **fields) for name, fields in moved.items()),
            deletes=tuple(row(name, agent).key for name in deletes if name not in inserts and name not in moved),
            rows=tuple(rows),
        )
        self._commit(change, self._expected(change, known))

    def _expected(self, change: Change, known: ModelAgent | None) -> type[Exception] | None:
        """What the store must say."""
        if change.etag != (known.etag if known else ""):
            return Conflict
        events = known.events if known else {}
        if any(each.key in events for each in change.inserts):
            return Duplicate
        return Conflict if any(each.key not in events for each in change.updates) else None

    def _commit(self, change: Change, expected: type[Exception] | None) -> None:
        if expected is not None:
            with pytest.raises(expected):
                self.runner.run(self.store.commit(change))
            return
        etag = self.runner.run(self.store.commit(change)).etag
        agent = self.model.setdefault(change.head.agent, ModelAgent(change.head, etag))
        agent.head, agent.etag = change.head, etag
        agent.events.update({each.key: each for each in (*change.inserts, *change.updates)})
        for key in change.deletes:
            agent.events.pop(key, None)
        for small in change.rows:
            agent.rows.pop((small.kind, small.name), None)
            if small.value is not None:
                agent.rows[small.kind, small.name] = small.value

    @precondition(lambda self: self.model)
    @rule(agent=agents)
    def erase(self, agent: AgentId) -> None:
        self.runner.run(self.store.erase(agent))
        self.model.pop(agent, None)

    # --- what both must say --------------------------------------------------------------------------------------

    @invariant()
    def heads_are_alike(self) -> None:
        for agent in AGENTS:
            known = self.model.get(agent)
            found = self.runner.run(self.store.load(agent))
            assert found == ((known.head, known.etag) if known else None)

    @rule(tenant=st.sampled_from(("", "default", "default2")), limit=st.integers(1, 4))
    def lists_of_agents_are_alike(self, tenant: str, limit: int) -> None:
        listed = self._all(lambda after: self.store.agents(tenant, "", after, limit))
        expected = sorted((a for a in self.model if tenant in ("", a.tenant)), key=lambda agent: agent.partition)
        assert [head.agent for head in listed] == expected

    @rule(agent=agents, limit=st.integers(1, 5), status=st.none() | st.sampled_from(Status))
    def events_are_alike(self, agent: AgentId, limit: int, status: Status | None) -> None:
        listed = self._all(lambda after: self.store.events(agent, status, after, limit))
        events = (each for each in self._events(agent) if status in (None, each.status))
        assert listed == sorted(events, key=lambda each: (each.version, each.key))

    @rule(agent=agents, due_by=st.sampled_from((0.0, 1.4, 1.5, 2e9, math.inf)), limit=st.integers(1, 9))
    def mailboxes_are_alike(self, agent: AgentId, due_by: float, limit: int) -> None:
        waiting = (each for each in self._events(agent) if each.status is Status.PARKED and each.due <= due_by)
        expected = sorted(waiting, key=lambda each: (each.order, each.key))[:limit]
        assert list(self.runner.run(self.store.parked(agent, due_by, limit))) == expected

    @rule(
        tenant=st.sampled_from(("default", "default2")),
        status=st.sampled_from((Status.PARKED, Status.QUARANTINED)),
        limit=st.integers(1, 5),
    )
    def what_is_found_is_alike(self, tenant: str, status: Status, limit: int) -> None:
        listed = self._all(lambda after: self.store.find(tenant, status, after, limit))
        expected = [
            each
            for agent in self.model
            if agent.tenant == tenant
            for each in self._events(agent)
            if each.status is status
        ]
        assert sorted(listed, key=_address) == sorted(expected, key=_address)

    @rule(agent=agents, kind=st.sampled_from(("memory", "timer")), prefix=st.just("") | names, limit=st.integers(1, 5))
    def small_rows_are_alike(self, agent: AgentId, kind: str, prefix: str, limit: int) -> None:
        rows = self.model[agent].rows if agent in self.model else {}
        listed = self._all(lambda after: self.store.rows(agent, kind, prefix, after, limit))
        expected = sorted(name for of, name in rows if of == kind and name.startswith(prefix))
        assert listed == [Row(kind, name, rows[kind, name]) for name in expected]
        for name in expected[:2]:
            assert self.runner.run(self.store.row(agent, kind, name)) == rows[kind, name]

    def _events(self, agent: AgentId) -> list[EventRow]:
        return list(self.model[agent].events.values()) if agent in self.model else []

    def _all(self, read: Any) -> list[Any]:
        items: list[Any] = []
        after = ""
        while True:
            page: Page[Any] = self.runner.run(read(after))
            items += page.items
            after = page.after
            if not after:
                return items


def _address(found: EventRow) -> tuple[str, str]:
    assert found.event.agent is not None
    return found.event.agent.partition, found.key


@pytest.mark.parametrize("backend", AGENT_STORES)
def test_a_store_does_what_its_model_does(backend: str) -> None:
    machine = type("Machine", (StoreMachine,), {"opener": staticmethod(AGENT_STORES[backend])})
    examples = 4 if backend == "azure" else 30  # every look at every agent is a request there
    run_state_machine_as_test(machine, settings=bounded(examples, steps=30))
