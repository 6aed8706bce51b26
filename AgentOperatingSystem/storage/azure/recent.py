"""Which hints the next commit of an event will leave behind, as far as this process remembers.

A turn with steps commits its event twice or more: as claimed, then as done. Each commit leaves a hint that the next one
makes void. The process that wrote them removes them in its own next transaction, at no cost; those of a process that
died are swept by the next reader (`hints`). Forgetting is harmless, and so is remembering what is gone already.

`store` tells it of every commit and asks it before every commit.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from AgentOperatingSystem.storage.azure.drafts import Draft
from AgentOperatingSystem.storage.azure.keys import ORDERS, VERSIONS
from AgentOperatingSystem.storage.records import ENDS, EventRow

ROWS_MAX: Final = 10_000
"""Open events that are remembered."""


class RecentHints:
    """Hint entities of single open events, by partition and event key."""

    def __init__(self) -> None:
        self._rows: OrderedDict[tuple[str, str], list[str]] = OrderedDict()

    def take(self, partition: str, moved: Sequence[EventRow]) -> list[str]:
        """The hints that these events leave behind; they are forgotten here."""
        return [hint for row in moved for hint in self._rows.pop((partition, row.key), ())]

    def note(self, partition: str, events: Sequence[EventRow], draft: Draft) -> None:
        """The change is committed. Hints that several events share become void only when the last one has moved, so
        they are left to readers.
        """
        if len(events) != 1 or events[0].status in ENDS:
            return
        rows = [str(each.entity["RowKey"]) for each in draft.operations if each.verb == "create"]
        self._rows[partition, events[0].key] = [row for row in rows if row.startswith((VERSIONS, ORDERS))]
        if len(self._rows) > ROWS_MAX:
            self._rows.popitem(last=False)
