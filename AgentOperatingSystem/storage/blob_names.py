"""How a blob is named: by the SHA-256 of its content, in 64 hexadecimal digits. Every `BlobStore` asks here."""

import re
from hashlib import sha256

from AgentOperatingSystem.errors import InvalidInput, StateUnreadable

_NAME = re.compile(r"[0-9a-f]{64}")


def name_of(content: bytes) -> str:
    """The name under which `content` lies."""
    return sha256(content).hexdigest()


def is_name(text: str) -> bool:
    """Whether `text` is well formed as a name."""
    return _NAME.fullmatch(text) is not None


def check_name(text: str) -> str:
    """`text`, which is a name. Raises `InvalidInput`: so no path leads out of a store."""
    if not is_name(text):
        raise InvalidInput(f"blob name {text[:80]!r}: needs 64 hexadecimal digits")
    return text


def check_content(name: str, content: bytes) -> bytes:
    """`content`, which is what lies under `name`. Raises `StateUnreadable` where it is damaged."""
    if name_of(content) != name:
        raise StateUnreadable(f"blob {name} is damaged: its content has another hash")
    return content
