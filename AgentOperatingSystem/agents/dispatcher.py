"""`DispatcherAgent`: spreads tasks over its members by how much each has in hand, so that the fast ones do more.

The kernel hands it tasks; each goes to the member with the fewest that it has not answered, and what is more than
`outstanding_max` for each of them waits here, in the agent's own rows, until somebody is free.
"""

from typing import Any, ClassVar

import msgspec

from AgentOperatingSystem.agents.asking import Owed
from AgentOperatingSystem.agents.assignments import Assignments, assign, is_answer, settle
from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import ConfigurationError, Terminal
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ids import AgentId

HAND_OUT = "aos.dispatch"
WAITING = "waiting/"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waits for a free member."""

    type: str
    data: Any
    owed: Owed


class Dispatching(Assignments, kw_only=True, omit_defaults=True):
    """What is in whose hands; tasks `first` to `last` - 1 wait in the rows `waiting/{number}`."""

    first: int = 0
    last: int = 0


class DispatcherAgent(BaseAgent):
    """Balances work among `members` by queue length (specification row 61).

    Each event is a task; its result is `{"member", "waiting"}` (`member` is None while it waits). Whoever asked by
    `context.request` gets `{"by", "correlation", "result"}`, or `"error"` instead of the result where the member gave
    none within `timeout_seconds`. Tasks are handed out in the order in which they came.
    """

    state_type = Dispatching
    members: ClassVar[tuple[str, ...]] = ()
    """Addresses: `name` or `name/key`."""
    outstanding_max: ClassVar[int] = 1
    """How many tasks a member may have in hand. One that has several handles them in one turn, whose results come
    together.
    """
    timeout_seconds: ClassVar[float] = 3600.0
    """How long a member has for its answer."""

    async def on_event(self, event: Event, context: Context) -> Any:
        if not self.members or self.outstanding_max < 1:
            raise ConfigurationError(f"{type(self).__name__} needs members, and outstanding_max of at least 1")
        if is_answer(event):
            return await self._settle(event, context)
        if event.type == HAND_OUT:
            return await self._hand_out(context)
        return await self._take(event, context)

    async def _settle(self, event: Event, context: Context) -> Any:
        """Passes an answer on. What waits is handed out by a tick, which begins a chain of its own: a task that waited
        is no consequence of the one before it, whose hops and credits would soon be used up.
        """
        settled = await settle(context, self.state, event)
        if self.state.first < self.state.last:
            await context.schedule(f"{HAND_OUT}/{event.correlation}", after_seconds=0.0, type=HAND_OUT, new_chain=True)
        return settled

    async def _take(self, event: Event, context: Context) -> dict[str, Any]:
        """Queues one task and hands out what can be."""
        task = Task(type=event.type, data=event.data, owed=context.defer())
        if not self._able(task, context):
            raise Terminal(f"every member of {context.agent} waits for this task itself")
        number = self.state.last
        self.state.last += 1
        await context.remember(_row(number), msgspec.to_builtins(task))
        given = await self._hand_out(context)
        return {"member": given.get(number), "waiting": self.state.last - self.state.first}

    async def _hand_out(self, context: Context) -> dict[int, str]:
        """Gives tasks to members that have room; answers whom, by the task's number."""
        given: dict[int, str] = {}
        while self.state.first < self.state.last:
            number = self.state.first
            task = msgspec.convert(await context.recall(_row(number)), Task)
            member = self._shortest_queue(self._able(task, context))
            if member is None:
                break
            await assign(
                context,
                self.state,
                member,
                task.owed,
                task.data,
                type=task.type,
                timeout_seconds=self.timeout_seconds,
            )
            await context.forget(_row(number))
            self.state.first += 1
            given[number] = member
        return given

    def _shortest_queue(self, members: list[str]) -> str | None:
        """The member with the fewest tasks in hand, the first of them in the order of `members`; None where all are
        full.
        """
        load = self.state.load()
        free = [member for member in members if load[member] < self.outstanding_max]
        return min(free, key=lambda member: load[member], default=None)

    def _able(self, task: Task, context: Context) -> list[str]:
        """All members but those who wait for this very task."""
        waiting = set(task.owed.asks)
        tenant = context.agent.tenant
        return [member for member in self.members if AgentId.parse(member, tenant).partition not in waiting]


def _row(number: int) -> str:
    return f"{WAITING}{number:012}"
