"""Publications of this host, as far back as its memory goes: a queue keeps none. For streams that follow them."""

from collections import deque
from typing import Final

from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.events import Event

KEPT_MAX: Final = 10_000


class Publications:
    """The latest ones, numbered; numbers go on where those of the process before this one ended."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[tuple[int, Event]] = deque(maxlen=KEPT_MAX)
        self.last = 0
        """The number of the latest."""

    def add(self, event: Event) -> None:
        """It is the latest from now on."""
        self.last = max(self.last + 1, int(self._clock.now() * 1e6))
        self._kept.append((self.last, event))

    def behind(self, tenant: str, after: int, limit: int) -> list[tuple[int, Event]]:
        """Those of a tenant behind number `after`, the oldest first."""
        return [each for each in self._kept if each[0] > after and each[1].tenant == tenant][:limit]
