"""Traces: one event's handling as a tree. The event, its steps, what it sent, and what became of that, over all agents.

Read from rows alone: nothing is recorded for it but what the journal keeps anyway, and the names of what was sent.
Asked by the HTTP door and `aos trace`.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from AgentOperatingSystem.agents.steps import Step, StepKind
from AgentOperatingSystem.errors import UnknownEvent
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId, event_key
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.recording import Recorder
from AgentOperatingSystem.storage.records import EventRow, Sent

EVENTS_MAX = 200
"""Events in one trace."""
DEPTH_MAX = 32
"""Generations of causes in one trace."""
_NEVER_SEEN = "not found: it waits with the broker, or its row has expired"


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What a part of a trace used. Unknown prices and usages are counted, never guessed."""

    model_calls: int = 0
    tool_calls: int = 0
    tokens: int = 0
    costs: dict[str, str] = {}
    """A decimal number by currency."""
    unpriced_calls: int = 0
    """Model calls whose cost is not known."""


class Traced(msgspec.Struct, kw_only=True):
    """One event of a trace."""

    row: EventRow
    steps: list[Step] = []
    sends: list["Send"] = []
    """What it sent, and what became of it."""
    left_out: str = ""
    """Why the tree ends here although it goes on."""


class Send(msgspec.Struct, kw_only=True):
    """One thing that was sent."""

    id: str
    agent: str = ""
    topic: str = ""
    found: list[Traced] = []
    """The events that it became: one, or one per subscriber of a topic."""
    note: str = ""


class Trace(msgspec.Struct, kw_only=True):
    """A whole trace."""

    root: Traced
    spending: Spending
    """Of all its events."""
    is_whole: bool
    """False where it is longer than a trace may be."""


class Tracer:
    """Reads traces."""

    def __init__(self, parts: Parts, copies: Callable[[Event], Sequence[Event]]) -> None:
        self._parts = parts
        self._copies = copies

    async def trace(self, agent: AgentId, source: str, event_id: str) -> Trace:
        """The tree that begins with an event; at most `EVENTS_MAX` events. Raises `UnknownEvent`."""
        row = await self._parts.store.event(agent, event_key(source, event_id))
        if row is None:
            raise UnknownEvent(f"{agent} has no event {event_id!r} from {source!r}")
        root = await self._traced(agent, row)
        seen, front = {(agent, row.key)}, [(root, agent)]
        for depth in range(DEPTH_MAX + 1):
            following: list[tuple[Traced, AgentId]] = []
            for each, owner in front:
                if each.row.sent and (depth == DEPTH_MAX or len(seen) >= EVENTS_MAX):
                    each.left_out = f"a trace ends after {EVENTS_MAX} events, or {DEPTH_MAX} generations"
                    continue
                following += await self._follow(each, owner, seen)
            front = following
        nodes = list(_all(root))
        return Trace(root=root, spending=_spending(nodes), is_whole=not any(node.left_out for node in nodes))

    async def _traced(self, agent: AgentId, row: EventRow) -> Traced:
        steps = (await Recorder(self._parts, agent).read(row.key)).values() if row.claims else ()
        return Traced(row=row, steps=sorted(steps, key=lambda step: (step.number, step.began_at)))

    async def _follow(
        self, node: Traced, owner: AgentId, seen: set[tuple[AgentId, str]]
    ) -> list[tuple[Traced, AgentId]]:
        """Looks up what a node's event sent; answers what is new."""
        fresh: list[tuple[Traced, AgentId]] = []
        for sent in node.row.sent:
            send = Send(id=sent.id, note=_NEVER_SEEN)
            node.sends.append(send)
            source = f"/agents/{owner}"
            for recipient in self._recipients(sent, send, owner, source):
                place = (recipient, event_key(source, sent.id))
                row = await self._parts.store.event(*place)
                if row is None or place in seen or len(seen) >= EVENTS_MAX:
                    send.note = "shown above" if place in seen else send.note
                    continue
                seen.add(place)
                send.note = ""
                send.found.append(await self._traced(recipient, row))
                fresh.append((send.found[-1], recipient))
        return fresh

    def _recipients(self, sent: Sent, send: Send, owner: AgentId, source: str) -> list[AgentId]:
        """Who gets what was sent. Of a publication: its subscribers of today, as far as its topic alone tells them."""
        if not sent.to.startswith("#"):
            recipient = AgentId.from_partition(sent.to)
            send.agent = str(recipient)
            return [recipient]
        send.topic = sent.to[1:]
        about = Event(type=send.topic, source=source, id=sent.id, topic=send.topic, tenant=owner.tenant)
        found = [copy.agent for copy in self._copies(about) if copy.agent is not None]
        if not found:
            send.note = "published; nobody here subscribes to its topic alone"
        return found


def _all(node: Traced) -> list[Traced]:
    return [node, *(each for send in node.sends for child in send.found for each in _all(child))]


def _spending(nodes: list[Traced]) -> Spending:
    models = [step for node in nodes for step in node.steps if step.kind is StepKind.MODEL]
    tools = [step for node in nodes for step in node.steps if step.kind is StepKind.TOOL]
    costs: dict[str, Decimal] = {}
    tokens = unpriced = 0
    for step in models:
        spent = step.spent
        tokens += ((spent.input_tokens or 0) + (spent.output_tokens or 0)) if spent else 0
        if spent is None or spent.cost is None:
            unpriced += 1
        else:
            costs[spent.currency] = costs.get(spent.currency, Decimal(0)) + Decimal(spent.cost)
    return Spending(
        model_calls=len(models),
        tool_calls=len(tools),
        tokens=tokens,
        costs={currency: str(amount) for currency, amount in costs.items()},
        unpriced_calls=unpriced,
    )
