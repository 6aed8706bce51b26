"""Knowledge: documents become passages that are found by meaning and by word, and cited. docs/knowledge.md shows how.

    await aos.knowledge.add_text("handbook", "Invoices are paid within ten days.")
    (found,) = await aos.knowledge.search("When do we pay bills?")

Names are loaded at first use (PEP 562); numpy at the first vector.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from AgentOperatingSystem.knowledge.base import KnowledgeBase
    from AgentOperatingSystem.knowledge.local import LocalEmbedder
    from AgentOperatingSystem.knowledge.memory import MemoryPassageStore
    from AgentOperatingSystem.knowledge.ports import DocumentSource, Embedder, PassageStore
    from AgentOperatingSystem.knowledge.records import Added, Collection, Entry, Found, Part, Passage, Readable, Scope
    from AgentOperatingSystem.knowledge.sqlite import SqlitePassageStore

_HOME = {
    "Added": "records",
    "Collection": "records",
    "DocumentSource": "ports",
    "Embedder": "ports",
    "Entry": "records",
    "Found": "records",
    "KnowledgeBase": "base",
    "LocalEmbedder": "local",
    "MemoryPassageStore": "memory",
    "Part": "records",
    "Passage": "records",
    "PassageStore": "ports",
    "Readable": "records",
    "Scope": "records",
    "SqlitePassageStore": "sqlite",
}
__all__ = [
    "Added",
    "Collection",
    "DocumentSource",
    "Embedder",
    "Entry",
    "Found",
    "KnowledgeBase",
    "LocalEmbedder",
    "MemoryPassageStore",
    "Part",
    "Passage",
    "PassageStore",
    "Readable",
    "Scope",
    "SqlitePassageStore",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
