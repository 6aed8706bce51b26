"""The addresses that the SDK attaches to."""

from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote, urlsplit

CBS = "$cbs"
_MANAGEMENT = "/$management"


class Kind(Enum):
    """What is behind an address."""

    CBS = "cbs"
    MANAGEMENT = "management"
    ENTITY = "entity"


@dataclass(frozen=True, slots=True)
class Address:
    """The entity's path in small letters, and what of it is meant."""

    kind: Kind
    path: str


def parsed(text: object) -> Address:
    """A bare path or a whole URI, in any case."""
    path = str(text or "")
    if "://" in path:
        path = unquote(urlsplit(path).path)
    path = path.strip("/").lower()
    if path == CBS:
        return Address(Kind.CBS, "")
    if path.endswith(_MANAGEMENT):
        return Address(Kind.MANAGEMENT, path.removesuffix(_MANAGEMENT))
    return Address(Kind.ENTITY, path)
