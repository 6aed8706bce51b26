"""The words that everything uses: the event, the message that carries it, and the pattern that selects it.

An `Event` is a CloudEvents 1.0 record with our extensions; its identity is (tenant, agent, source, id). A `Message` is
what a broker carries: an event for one mailbox, a publication for a topic, or a doorbell that wakes an agent.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from re import Pattern, compile, escape
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

import msgspec

from AgentOperatingSystem.errors import InvalidEvent, InvalidInput, InvalidTopic
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId, event_key, message_id

TEXT_LENGTH_MAX = 1024
PRIORITY_MAX = 9
MEMORY_KEY_LENGTH_MAX = 512
TIME_MIN, TIME_MAX = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 to 9999 in UTC seconds: what can be written as a date."""
_json = msgspec.json.Encoder()
_NAMING = ("type", "source", "id")
_TEXT_FIELDS = (*_NAMING, "subject", "topic", "conversation", "correlation", "causation", "traceparent")
_TEXTS = attrgetter(*_TEXT_FIELDS)
_sorted_json = msgspec.json.Encoder(order="deterministic")


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Something that happened, for one agent. Immutable; change it with `msgspec.structs.replace`."""

    type: str
    """What happened, dotted: `com.example.order.created`."""
    source: str = "/"
    """Who says so. FIFO order of first attempts holds per agent and source."""
    id: str = msgspec.field(default_factory=lambda: uuid4().hex)
    """The producer's idempotency key: unique per source."""
    data: Any = None
    """The payload: any JSON value."""
    subject: str = ""
    """The producer's own name of what the event is about."""
    time: float = 0.0
    """UTC seconds when it happened; 0 means not said."""
    agent: AgentId | None = None
    """The recipient (`aosagent`); None lets the declared routes choose."""
    tenant: str = DEFAULT_TENANT
    topic: str = ""
    """The topic through which it came, for publications."""
    conversation: str = ""
    correlation: str = ""
    """Names the request that this event answers, or the exchange that it belongs to."""
    causation: str = ""
    """The id of the event whose handling sent this one."""
    reply_to: AgentId | None = None
    """Who gets the handler's result as an `aos.reply` event."""
    traceparent: str = ""
    """W3C trace context of the sender."""
    priority: int = 0
    """0 to 9; higher overtakes among events that wait in the store."""
    asks: tuple[str, ...] = ()
    """The agents (`AgentId.partition`) that wait for what comes of this event, outermost first; set by the system."""
    hops: int = 0
    """How many agents the chain of causes has passed through."""
    credits: int = -1
    """How many further events the chain may still cause; -1 means the system's default."""
    due: float = 0.0
    """UTC seconds before which it is not to be handled; 0 means at once."""
    crashes: int = 0
    """How many hosts died while they handled it."""
    generation: int = 0
    """Raised by one with every deliberate re-send (redrive, redelivery after a new route)."""
    extensions: dict[str, str | int | bool] | None = None
    """CloudEvents attributes that the system does not read (`dataschema`, others' extensions), kept as they came."""

    def __post_init__(self) -> None:
        try:
            texts = "".join(_TEXTS(self))
        except TypeError:
            raise InvalidEvent(_what_is_wrong(self)) from None
        named = self.type and self.source and self.id
        timely = TIME_MIN <= self.time <= TIME_MAX and TIME_MIN <= self.due <= TIME_MAX
        plain = len(texts) <= TEXT_LENGTH_MAX and texts.isascii()
        if not (named and plain and timely and 0 <= self.priority <= PRIORITY_MAX):
            complaint = _what_is_wrong(self)
            if complaint:
                raise InvalidEvent(complaint)

    @property
    def key(self) -> str:
        """The event's name within its agent's partition; hashed once."""
        key: str | None = self.__dict__.get("key")
        if key is None:
            key = self.__dict__["key"] = event_key(self.source, self.id)
        return key

    def to(self, agent: AgentId) -> "Event":
        """The same event, addressed to `agent`."""
        return msgspec.structs.replace(self, agent=agent, tenant=agent.tenant)


def _what_is_wrong(event: Event) -> str:
    """Which rule the event breaks; empty where it breaks none and is only long, or more than ASCII."""
    for field, text in zip(_TEXT_FIELDS, _TEXTS(event), strict=True):
        if not isinstance(text, str):
            return f"event {field} {text!r}: needs a text"
        if len(text) > TEXT_LENGTH_MAX or (field in _NAMING and not text):
            least = 1 if field in _NAMING else 0
            return f"event {field} {text[:80]!r}: needs {least} to {TEXT_LENGTH_MAX} characters"
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            return f"event {field} {text[:80]!r}: holds half of a surrogate pair, which is no character"
    for field, seconds in (("time", event.time), ("due", event.due)):
        if not TIME_MIN <= seconds <= TIME_MAX:
            return f"event {field} {seconds!r}: is no time in UTC seconds"
    if not 0 <= event.priority <= PRIORITY_MAX:
        return f"event priority {event.priority}: needs 0 to {PRIORITY_MAX}"
    return ""


def asks_text(asks: Sequence[str]) -> str:
    """A chain of asks as one text: partitions between blanks, escaped as in URLs."""
    return " ".join(quote(each, safe="|/") for each in asks)


def asks_of(text: str) -> tuple[str, ...]:
    """The inverse of `asks_text`. Raises `InvalidInput` where a part is no address."""
    return tuple(AgentId.from_partition(unquote(each)).partition for each in text.split(" ") if each)


def fingerprint(event: Event) -> str:
    """A hash over what the producer said (type, subject, data): equal for a true duplicate, else the key was reused."""
    return blake2b(_sorted_json.encode((event.type, event.subject, event.data)), digest_size=16).hexdigest()


class Kind(StrEnum):
    """What a message is for."""

    EVENT = "event"
    """An event for one agent's mailbox."""
    PUBLICATION = "publication"
    """An event for every subscriber of its topic."""
    DOORBELL = "doorbell"
    """Wakes an agent to go on with what is parked or due in the store."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a broker carries. `id` is deterministic, so that a second sending of the same message can be recognised."""

    id: str
    kind: Kind = Kind.EVENT
    agent: AgentId | None = None
    """The recipient; None for a publication."""
    event: Event | None = None
    """None for a doorbell."""
    due: float = 0.0
    """UTC seconds before which the broker holds it back."""
    thorough: bool = False
    """Whether the agent that this bell wakes is to look for other bells that it may be owed."""
    fingerprint: str = ""
    """What the producer said, hashed; empty for the system's own events, whose ids are not reused."""
    aside: str = ""
    """Why the event goes into the quarantine unhandled: the broker gave it up, or nobody can read it."""


def event_message(event: Event, mark: str = "") -> Message:
    """The message that carries `event` to the mailbox of `event.agent`; `mark` is its fingerprint."""
    agent = event.agent
    if agent is None:
        raise InvalidEvent(f"event {event.id} has no recipient")
    name = message_id(agent.partition, event.key, event.generation)
    return Message(id=name, agent=agent, event=event, due=event.due, fingerprint=mark)


def publication_message(event: Event) -> Message:
    """The message that carries `event` to the subscribers of `event.topic`."""
    name = message_id(f"{event.tenant}|topic/{event.topic}", event.key, event.generation)
    return Message(id=name, kind=Kind.PUBLICATION, event=event, due=event.due)


def doorbell(agent: AgentId, due: float = 0.0, why: str = "", *, thorough: bool = False) -> Message:
    """A message that wakes `agent` at `due`; `why` keeps bells for different reasons apart."""
    name = message_id(agent.partition, event_key(f"doorbell:{why}", repr(due)))
    return Message(id=name, kind=Kind.DOORBELL, agent=agent, due=due, thorough=thorough)


def encode(value: object) -> bytes:
    """JSON bytes of any record or JSON value. Raises `InvalidEvent` where something is not JSON."""
    try:
        return _json.encode(value)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise InvalidEvent(f"not a JSON value: {error}") from None


def is_deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value is nested deeper than so many levels; looks no deeper than that itself."""
    if isinstance(value, dict):
        return levels == 0 or any(is_deeper(part, levels - 1) for part in value.values())
    if isinstance(value, list):
        return levels == 0 or any(is_deeper(part, levels - 1) for part in value)
    return False


def check_memory_key(key: str) -> str:
    """The name of something that an agent remembers. Raises `InvalidInput`."""
    if not 0 < len(key) <= MEMORY_KEY_LENGTH_MAX or any("\ud800" <= letter <= "\udfff" for letter in key):
        raise InvalidInput(f"memory key {key[:80]!r}: needs 1 to {MEMORY_KEY_LENGTH_MAX} characters of Unicode")
    return key


@lru_cache(maxsize=4096)
def check_topic(topic: str) -> str:
    """A topic to publish to: dotted words without wildcards. Raises `InvalidTopic`."""
    if not topic or len(topic) > 256 or any(not word or "*" in word or "#" in word for word in topic.split(".")):
        raise InvalidTopic(f"topic {topic[:80]!r}: use dotted words such as 'repo.changed', without wildcards")
    return topic


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern[str]:
    """A compiled pattern over dotted names: `*` stands for one word, `#` (last) for any rest, and inside a word `*`
    for any letters.

    Raises `InvalidTopic`.
    """
    words = text.split(".")
    if not text or len(text) > 256 or any(not word for word in words) or any("#" in word for word in words[:-1]):
        raise InvalidTopic(f"pattern {text[:80]!r}: use dotted words, '*' for one word, and '#' only as the last word")
    if words[-1] == "#":
        head = r"\.".join(escape(word).replace(r"\*", r"[^.]*") for word in words[:-1])
        return compile(rf"{head}(\..*)?" if head else r".*")
    return compile(r"\.".join(escape(word).replace(r"\*", r"[^.]*") for word in words))


def matches(text: str, topic: str) -> bool:
    """Whether `topic` matches the pattern `text` as a whole."""
    return pattern(text).fullmatch(topic) is not None
