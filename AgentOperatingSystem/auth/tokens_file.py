"""Bearer tokens with the names of their holders, in a file that holds their hashes alone: `aos tokens` writes it.

    {"tokens": [{"name": "alice@example.org", "sha256": "…", "speaks_for_others": false}]}

A token is 256 random bits, made here and shown once; nobody finds it from its SHA-256. The file is read again when it
changes: a token that is taken out is refused from the next request on. Specification rows 167 and 180.
"""

import logging
import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, NotFound

NAME_LENGTH_MAX: Final = 128
_log = logging.getLogger(__name__)


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who holds a token."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    speaks_for_others: bool = False
    """Whether the holder may name others as those who decide and ask."""


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    tokens: tuple[Holder, ...] = ()


class TokensFile:
    """The holders of one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = None
        self._holders: dict[str, Holder] = {}

    def holder_of(self, token: bytes) -> Holder | None:
        """Whose token it is; None where it is nobody's, or the file cannot be read, which the log says."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            self._holders = self._current()
        return self._holders.get(sha256(token).hexdigest())

    def read(self) -> tuple[Holder, ...]:
        """Everybody who is in the file. Raises `ConfigurationError` where it cannot be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Tokens).tokens
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be read: {error.strerror}") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._path}: is no file of `aos tokens`: {error}") from None

    def add(self, name: str, speaks_for_others: bool = False) -> str:
        """A new token for somebody, who may have others. Raises `InvalidInput`, `ConfigurationError`."""
        if not (0 < len(name) <= NAME_LENGTH_MAX and name.isprintable() and name.strip() == name):
            raise InvalidInput(f"name {name[:40]!r}: give 1 to {NAME_LENGTH_MAX} printable characters")
        token = secrets.token_urlsafe(32)
        holder = Holder(name, sha256(token.encode()).hexdigest(), speaks_for_others)
        self._write((*self.read(), holder))
        return token

    def remove(self, name: str) -> int:
        """Takes all tokens of somebody back; says how many. Raises `NotFound`, `ConfigurationError`."""
        before = self.read()
        kept = tuple(holder for holder in before if holder.name != name)
        if len(kept) == len(before):
            raise NotFound(f"{self._path}: {name[:80]!r} holds no token")
        self._write(kept)
        return len(before) - len(kept)

    def _current(self) -> dict[str, Holder]:
        try:
            return {holder.sha256: holder for holder in self.read()}
        except ConfigurationError as error:
            _log.error("%s; nobody who is named there is let in", error)
            return {}

    def _write(self, holders: tuple[Holder, ...]) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(Tokens(holders)), indent=2) + b"\n")
            os.replace(fresh, self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written: {error.strerror}") from None
        finally:
            fresh.unlink(missing_ok=True)


def _stamp(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
