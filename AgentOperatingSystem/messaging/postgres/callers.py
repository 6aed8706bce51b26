"""Who waits on this host for the outcome of an event, and what becomes of it where another host has handled it.

Fed by `PostgresBus.offer`; asked by its patrol.
"""

from collections.abc import Sequence

from AgentOperatingSystem.events import Message
from AgentOperatingSystem.messaging.ports import Turn
from AgentOperatingSystem.storage.postgres.database import Database


class Callers:
    """Messages that were offered here and have not ended here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offered: dict[str, Message] = {}
        self._seen: dict[str, Message] = {}
        """What of it the last patrol has found already."""

    def __len__(self) -> int:
        """For how many messages somebody waits."""
        return len(self._offered)

    def waits_for(self, message: Message) -> None:
        """Somebody begins to wait."""
        self._offered[message.id] = message

    def leaves(self, message_id: str) -> bool:
        """Nobody waits any more; says whether somebody did."""
        return self._offered.pop(message_id, None) is not None

    def ended(self, message_ids: Sequence[str]) -> None:
        """Events came to their end on this host."""
        for name in message_ids:
            self._offered.pop(name, None)

    async def handled_elsewhere(self) -> list[Turn]:
        """Turns for messages that another host has consumed: it may have had them already when they were offered here.

        The kernel finds each applied, and tells whoever waits. Raises `StoreUnavailable`.
        """
        seen, self._seen = self._seen, dict(self._offered)
        late = {name: message for name, message in seen.items() if name in self._offered}
        if not late:
            return []
        found = await self._database.read("SELECT id FROM queue WHERE id = ANY($1::text[])", list(late))
        gone = late.keys() - {row[0] for row in found}
        lost = [message for name, message in late.items() if name in gone and self.leaves(name)]
        return [Turn(each.agent, (each,), (each.id,), deliveries=2) for each in lost if each.agent is not None]
