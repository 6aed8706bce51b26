"""What one event may change: rows of memory and timers, counted where they are written.

`context.py` collects them here. One commit is one transaction of a store, and that of Azure's tables holds a hundred
entities ("Performing entity group transactions"): who writes more is told at the line that does, on every store.
"""

from collections.abc import Sized
from typing import Final, TypeVar

from AgentOperatingSystem.errors import TooLarge

EVENT_CHANGES_MAX: Final = 80
"""Rows of memory and timers that one event changes."""
K = TypeVar("K")
V = TypeVar("V")


class Changes(dict[K, V]):
    """Changes by name; another one by the same name takes the place of the first. Raises `TooLarge`."""

    beside: Sized | None = None
    """What counts too."""

    def __setitem__(self, name: K, change: V) -> None:
        if name not in self and len(self) + len(self.beside or ()) >= EVENT_CHANGES_MAX:
            raise TooLarge(
                f"one event may change {EVENT_CHANGES_MAX} memories and timers, which are committed together; keep "
                "what belongs together under one key, or send the rest on as further events (`send` to itself)"
            )
        super().__setitem__(name, change)
