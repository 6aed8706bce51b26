"""Who wants to be called, and when. `server` asks for the next moment and runs what is due."""

import heapq
from collections.abc import Callable
from itertools import count

Call = Callable[[int], None]
"""Called with the time, in milliseconds; asks again by itself where it wants to."""


class Timers:
    """One open wish for each caller: an earlier one takes the place of a later one."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, object, Call]] = []
        self._wanted: dict[object, int] = {}
        self._order = count()
        self.on_earlier: Callable[[], None] = lambda: None

    def want(self, key: object, when_ms: int | None, call: Call) -> None:
        """Calls at `when_ms`, unless this key has an earlier wish already; None wishes nothing."""
        if when_ms is None or self._wanted.get(key, when_ms + 1) <= when_ms:
            return
        self._wanted[key] = when_ms
        heapq.heappush(self._heap, (when_ms, next(self._order), key, call))
        if self._heap[0][0] == when_ms:
            self.on_earlier()

    def forget(self, key: object) -> None:
        """The wish is void."""
        self._wanted.pop(key, None)

    def next_ms(self) -> int | None:
        """When the next wish is due."""
        while self._heap and self._wanted.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier one took its place, or it is void
        return self._heap[0][0] if self._heap else None

    def run(self, now_ms: int) -> None:
        """Calls whoever is due."""
        while (when := self.next_ms()) is not None and when <= now_ms:
            _, _, key, call = heapq.heappop(self._heap)
            del self._wanted[key]
            call(now_ms)
