"""Nine ways to break the protocol, each a small change of the real kernel or store; the simulator must catch each."""

from typing import Any
from uuid import uuid4

import msgspec

from AgentOperatingSystem.errors import Conflict
from AgentOperatingSystem.events import Message
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.orchestration.awake import Awake
from AgentOperatingSystem.orchestration.commits import Commits
from AgentOperatingSystem.orchestration.kernel import Kernel
from AgentOperatingSystem.proof.simulator.observed import ObservedStore
from AgentOperatingSystem.proof.simulator.world import Build
from AgentOperatingSystem.storage.records import Change, Committed, EventRow

_replace = msgspec.structs.replace


class NoETag(ObservedStore):
    """The last writer wins, whatever it has read."""

    async def commit(self, change: Change) -> Committed:
        found = await self.load(change.head.agent)
        return await super().commit(_replace(change, etag=found[1] if found else ""))


class NoDedupeRow(ObservedStore):
    """An event that is recorded already is recorded once more."""

    async def commit(self, change: Change) -> Committed:
        agent = change.head.agent
        known = {row.key for row in change.inserts if await self.event(agent, row.key) is not None}
        inserts = tuple(row for row in change.inserts if row.key not in known)
        again = tuple(row for row in change.inserts if row.key in known)
        return await super().commit(_replace(change, inserts=inserts, updates=(*change.updates, *again)))


class OutboxAfterCommit(ObservedStore):
    """Outputs are not part of the commit: only the memory of the host that sends them knows them."""

    async def commit(self, change: Change) -> Committed:
        return await super().commit(
            _replace(change, inserts=_without_outputs(change.inserts), updates=_without_outputs(change.updates))
        )


class SettleFirst(Kernel):
    """The broker is told that a turn is done before anything is."""

    async def _deliver(self, turn: Turn) -> None:
        await self.parts.bus.settle(turn)
        await super()._deliver(turn)


class PublishFirst(Kernel):
    """Outputs leave before the commit."""

    async def _commit(self, awake: Awake, commits: Commits, turn: Turn) -> bool:
        if commits.work.outputs():
            await self.parts.bus.send(commits.work.outputs())
        return await super()._commit(awake, commits, turn)


class DeleteBeforeSend(Kernel):
    """The outbox is emptied before its messages are sent."""

    async def _commit(self, awake: Awake, commits: Commits, turn: Turn) -> bool:
        relayed = await super()._commit(awake, commits, turn)
        changed = (*commits.work.inserts, *commits.work.updates)
        rows = _without_outputs(changed)
        if any(row.outputs for row in changed):
            head = _replace(awake.server.head, version=awake.server.head.version + 1)
            await awake.server.commit(Change(head=head, etag=awake.server.etag, updates=rows))
        return relayed


class DropOnConflict(Kernel):
    """Who loses a race lets its turn go."""

    async def _commit(self, awake: Awake, commits: Commits, turn: Turn) -> bool:
        try:
            return await super()._commit(awake, commits, turn)
        except Conflict:
            await self.parts.bus.settle(turn)
            return True


class SettleBeforeRelay(Kernel):
    """The broker is told that a turn is done before its outputs are sent."""

    async def _relay(self, messages: list[Message], turn: Turn) -> None:
        await self.parts.bus.settle(turn)
        await super()._relay(messages, turn)


class RandomMessageIds(Kernel):
    """Each sending of a message has an id of its own, so that no broker can tell that it had it before."""

    async def _relay(self, messages: list[Message], turn: Turn) -> None:
        await super()._relay([_replace(message, id=uuid4().hex) for message in messages], turn)


def _without_outputs(rows: tuple[EventRow, ...]) -> tuple[EventRow, ...]:
    return tuple(_replace(row, outputs=()) for row in rows)


STORES: tuple[Any, ...] = (NoETag, NoDedupeRow, OutboxAfterCommit)
KERNELS: tuple[Any, ...] = (
    SettleFirst,
    PublishFirst,
    DeleteBeforeSend,
    DropOnConflict,
    SettleBeforeRelay,
    RandomMessageIds,
)
MUTANTS: dict[str, Build] = {store.__name__: Build(store=store) for store in STORES} | {
    kernel.__name__: Build(kernel=kernel) for kernel in KERNELS
}
