"""Who watches for something new, such as a stream of server-sent events. Costs nothing while nobody does."""

import asyncio
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class Watchers:
    """Events of the loop, by what they watch. A watcher reads for itself; it is only told when to look again."""

    def __init__(self) -> None:
        self._watching: dict[Hashable, set[asyncio.Event]] = {}

    @contextmanager
    def watch(self, what: Hashable) -> Iterator[asyncio.Event]:
        """An event that is set whenever there is news of `what`; clear it before you look."""
        event = asyncio.Event()
        self._watching.setdefault(what, set()).add(event)
        try:
            yield event
        finally:
            self._watching[what].discard(event)
            if not self._watching[what]:
                del self._watching[what]

    def __len__(self) -> int:
        """How many watch."""
        return sum(map(len, self._watching.values()))

    def notify(self, what: Hashable) -> None:
        """There is news of `what`."""
        if self._watching:
            for event in self._watching.get(what, ()):
                event.set()
