"""What a format's reader is told besides the bytes, and how it says that it cannot read them."""

from typing import NamedTuple


class Given(NamedTuple):
    """From the host: what is known of the document, and the limits that a format itself must hold."""

    kind: str
    charset: str
    url: str  # where it came from; links are made absolute with it
    inflated_bytes_max: int
    pages_max: int
    nodes_max: int
    characters_max: int
    memory_bytes_max: int
    seconds_max: float


class Unreadable(Exception):
    """The bytes are not a document of this kind, or cannot be opened."""


class OverLimit(Exception):
    """The document is larger than a limit; the message says which."""
