"""What a host is handling right now, marked where its death cannot wipe it out, without an fsync.

A memory-mapped file of fixed slots: the operating system keeps it when the process is killed. The next host that finds
the file of a dead one counts those messages as suspects and runs them alone.
"""

import mmap
from pathlib import Path

SLOT_BYTES = 64
"""One message id, which is 48 hexadecimal digits and perhaps a generation."""


class InFlight:
    """The marks of one host."""

    def __init__(self, path: Path, slots: int) -> None:
        path.write_bytes(b"\0" * (slots * SLOT_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), slots * SLOT_BYTES)
        self._free = list(range(0, slots * SLOT_BYTES, SLOT_BYTES))
        self._at: dict[str, int] = {}

    def mark(self, message_id: str) -> None:
        """The event of this message is in a handler's hands from now on; unmarked, where all slots are taken."""
        if self._free and message_id not in self._at:
            at = self._at[message_id] = self._free.pop()
            slot = message_id.encode()[: SLOT_BYTES - 1] + b"\0"
            self._map[at : at + len(slot)] = slot

    def clear(self, message_id: str) -> None:
        """It is no longer."""
        at = self._at.pop(message_id, None)
        if at is not None and not self._map.closed:
            self._map[at] = 0
            self._free.append(at)

    def close(self) -> None:
        """Ends in good order: no mark stays."""
        for message_id in list(self._at):
            self.clear(message_id)
        self._map.close()


def marked(path: Path) -> list[str]:
    """The message ids that a dead host left marked."""
    if not path.exists():
        return []
    content = path.read_bytes()
    slots = (content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES))
    return [slot.partition(b"\0")[0].decode("ascii", "replace") for slot in slots if slot[:1] != b"\0"]
