"""Addresses: who an agent is, and how its address is spelled in a URL, on the command line and as a storage key.

One codec, injective everywhere: tenant and name cannot contain `|` or `/`, so `tenant|name/key` can be taken apart
again, whatever the key holds.
"""

import re
from functools import lru_cache
from hashlib import blake2b, sha256

import msgspec

from AgentOperatingSystem.errors import InvalidAgentId

DEFAULT_TENANT = "default"
KEY_LENGTH_MAX = 512
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SESSION_LENGTH_MAX = 128
_EVENT_KEY_DIGITS = 32


class AgentId(msgspec.Struct, frozen=True, order=True):
    """The address of one agent: a registered `name` (its type), a `key` that tells instances apart, and a tenant.

    Raises `InvalidAgentId` where a part is not well formed.
    """

    name: str
    key: str = ""
    tenant: str = DEFAULT_TENANT

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise InvalidAgentId(f"agent name {self.name[:80]!r}: use 1 to 64 letters, digits, '_', '-' or '.'")
        if not _NAME.fullmatch(self.tenant):
            raise InvalidAgentId(f"tenant {self.tenant[:80]!r}: use 1 to 64 letters, digits, '_', '-' or '.'")
        if len(self.key) > KEY_LENGTH_MAX or _UNPRINTABLE.search(self.key):
            raise InvalidAgentId(f"agent key {self.key[:80]!r}: at most {KEY_LENGTH_MAX} characters, all printable")

    def __str__(self) -> str:
        """As on the command line: `name` or `name/key`."""
        return f"{self.name}/{self.key}" if self.key else self.name

    @property
    def partition(self) -> str:
        """`tenant|name/key`: the agent's partition in every store."""
        return f"{self.tenant}|{self.name}/{self.key}"

    @property
    def session(self) -> str:
        """The broker session of this agent: the partition, hashed where it is longer than 128 characters."""
        partition = self.partition
        if len(partition) <= _SESSION_LENGTH_MAX:
            return partition
        return "sha256:" + sha256(partition.encode()).hexdigest()

    @classmethod
    def from_partition(cls, partition: str) -> "AgentId":
        """The inverse of `partition`."""
        tenant, _, rest = partition.partition("|")
        name, _, key = rest.partition("/")
        return cls(name, key, tenant)

    @classmethod
    def parse(cls, text: str, tenant: str = DEFAULT_TENANT) -> "AgentId":
        """Reads `name` or `name/key` as typed on a command line."""
        name, _, key = text.partition("/")
        return cls(name, key, tenant)


def event_key(source: str, event_id: str) -> str:
    """The name of an event within its agent's partition: 32 hexadecimal digits over source and id."""
    return blake2b(f"{len(source)}:{source}{event_id}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def message_id(mailbox: str, key: str, generation: int = 0) -> str:
    """The deterministic id of a broker message: hashes of the mailbox (an agent's partition, or a topic) and of the
    event's source and id.

    A deliberate re-send raises the generation, so that a broker's duplicate detection does not swallow it.
    """
    return f"{key}{_mailbox_digest(mailbox)}.{generation}" if generation else key + _mailbox_digest(mailbox)


def is_of(message_id: str, mailbox: str) -> bool:
    """Whether a message id was made for this mailbox."""
    return message_id[_EVENT_KEY_DIGITS:].partition(".")[0] == _mailbox_digest(mailbox)


@lru_cache(maxsize=16_384)
def _mailbox_digest(mailbox: str) -> str:
    return blake2b(mailbox.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
