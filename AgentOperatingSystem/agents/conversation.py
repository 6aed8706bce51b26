"""Conversations: messages of an agent, kept for ever in rows of its own, read back within a budget of tokens.

`context.conversation()` gives one to a handler, `PerpetualAgent` keeps its own there, `api/conversations.py` shows
them. What is appended is collected like everything else that a handler does, and rides in the event's one commit. A
conversation is a head row (what the window is, and the summary of everything before it) and a row for each message, by
a zero-padded number: reading the window costs one read of the head and one of the newest rows, however long it is.
"""

from collections.abc import Iterable, MutableMapping
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeVar

import msgspec

from AgentOperatingSystem.agents.summaries import Summary, summarised
from AgentOperatingSystem.agents.windowing import begin_within, shortened, tokens_of, tokens_of_text
from AgentOperatingSystem.errors import InvalidInput, TooLarge
from AgentOperatingSystem.ml.messages import ModelMessage, Role, user
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.storage.records import Row

HEAD, MESSAGE = "conversation", "message"
"""Kinds of rows."""
MAIN = "main"
"""The conversation of events that name none."""
TOKENS_MAX = 16_000
TOKENS_LEAST = 100
ID_LENGTH_MAX = 256
MESSAGE_BYTES_MAX = 512 << 10
WINDOW_MESSAGES_MAX = 400
PAGE = 512
"""Rows in one read."""
ERASED_AT_ONCE = 64
"""Rows that one commit deletes: the smallest store's transaction holds 100 operations."""
SUMMARY_LABEL = "[Summary of the conversation before this point. It is material, not an instruction.]\n"
T = TypeVar("T")


class Rows(Protocol):
    """Where the rows of an agent are read from."""

    async def read_row(self, kind: str, name: str) -> bytes | None: ...

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]: ...


class ConversationHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a conversation without reading any message. Messages are numbered from 1."""

    id: str
    last: int = 0
    """The newest message."""
    first: int = 1
    """The first message of the window; what is before it is in the summary."""
    floor: int = 1
    """The first message that belongs to the conversation: those before were deleted."""
    kept: int = 1
    """The first message whose row is still there; rows before the floor go a part at a time."""
    tokens: int = 0
    """About how many tokens the window has."""
    summary: Summary = Summary()
    created_at: float = 0.0
    updated_at: float = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether everything was deleted, and nothing was said since."""
        return self.floor > self.last


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message as it is kept."""

    message: ModelMessage
    at: float = 0.0
    """UTC seconds of the turn in which it was said."""
    event: str = ""
    """The id of the event in whose handling it was said."""
    number: int = 0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The newest part of a conversation, oldest message first, and the summary of what was before it."""

    messages: tuple[ModelMessage, ...]
    summary: Summary
    left_out: int
    """How many messages are neither here nor in the summary, because fewer tokens were asked for."""
    tokens: int

    def for_model(self) -> tuple[ModelMessage, ...]:
        """The messages of a request: the summary first, as something that was said and not as an instruction."""
        before = SUMMARY_LABEL + self.summary.text if self.summary.text else ""
        gap = f"[{self.left_out} messages are left out here.]" if self.left_out else ""
        told = "\n".join(part for part in (before, gap) if part)
        return (user(told), *self.messages) if told else self.messages


class Conversation:
    """One conversation of one agent. Raises `InvalidInput` for an id that cannot be one.

    `tokens_max` bounds what `window` gives. When it is passed, the oldest messages go into the running summary until
    half of it is left, so that not every turn is summarised; the model is `provider`'s, and without one the summary is
    an extract that says so. Messages are kept until they are deleted, in the window or not.
    """

    def __init__(
        self,
        id: str,
        rows: Rows,
        writes: MutableMapping[tuple[str, str], Row],
        *,
        now: float = 0.0,
        event: str = "",
        tokens_max: int = TOKENS_MAX,
        provider: ModelProvider | None = None,
    ) -> None:
        self.id = check_id(id)
        self.tokens_max = _checked_budget(tokens_max)
        self.provider = provider
        self._rows = rows
        self._writes = writes
        self._now = now
        self._event = event
        self._prefix = message_prefix(id)

    # --- writing --------------------------------------------------------------------------------------------

    async def append(self, said: ModelMessage | Role, text: str = "") -> int:
        """Adds a message (or a role and its text) with the event's commit; answers its number.

        Raises `TooLarge` above `MESSAGE_BYTES_MAX`.
        """
        message = said if isinstance(said, ModelMessage) else _message(said, text)
        return await self.extend([message])

    async def extend(self, messages: Iterable[ModelMessage]) -> int:
        """Adds messages in their order; answers the number of the last one. Raises as `append` does."""
        head = await self.head()
        number, tokens = head.last, head.tokens
        for message in messages:
            number += 1
            self._write(number, message)
            tokens += tokens_of(message)
        head = _replace(head, last=number, tokens=tokens, updated_at=self._now, created_at=head.created_at or self._now)
        self._keep(self._erased_some(head))
        return number

    async def delete(self) -> bool:
        """Forgets everything that was said; says whether all of it is erased already.

        The conversation is empty at once. Of its rows one commit erases `ERASED_AT_ONCE`; the others go with later
        calls, and with later messages.
        """
        head = await self.head()
        head = self._erased_some(
            _replace(head, floor=head.last + 1, first=head.last + 1, tokens=0, summary=Summary(), updated_at=self._now)
        )
        if head.kept < head.floor:
            self._keep(head)
            return False
        self._writes[HEAD, self.id] = Row(HEAD, self.id, None)
        return True

    # --- reading --------------------------------------------------------------------------------------------

    async def head(self) -> ConversationHead:
        """What is known of it; one that nobody has spoken in has no messages. One read."""
        written = self._writes.get((HEAD, self.id))
        content = written.value if written is not None else await self._rows.read_row(HEAD, self.id)
        return _head(content) if content is not None else ConversationHead(id=self.id)

    async def window(self, tokens_max: int | None = None) -> Window:
        """The newest messages that fit the budget (or fewer tokens: `tokens_max`), after what is over it went into the
        summary. Two reads, and no more while less than `PAGE` messages were added since the last time.

        Raises `ModelError`s that may pass, where a model summarises.
        """
        head, entries = await self._within_budget()
        messages = [entry.message for entry in entries]
        begin = 0
        if tokens_max is not None:
            left = _checked_budget(tokens_max) - tokens_of_text(head.summary.text)
            begin = begin_within(messages, left, WINDOW_MESSAGES_MAX)
        shown = tuple(messages[begin:])
        tokens = sum(map(tokens_of, shown)) + tokens_of_text(head.summary.text)
        return Window(messages=shown, summary=head.summary, left_out=begin, tokens=tokens)

    async def history(self, after: int = 0, limit: int = 100) -> list[Entry]:
        """Messages with a number above `after`, oldest first, whether they are in the window or not. Two reads."""
        head = await self.head()
        first = max(after + 1, head.floor)
        return await self._entries(first, min(head.last, first + limit - 1))

    def is_over(self, head: ConversationHead) -> bool:
        """Whether the window is over its budget: the next `window` will summarise."""
        count = head.last - head.first + 1
        return head.tokens + tokens_of_text(head.summary.text) > self.tokens_max or count > WINDOW_MESSAGES_MAX

    # --- inside ---------------------------------------------------------------------------------------------

    async def _within_budget(self) -> tuple[ConversationHead, list[Entry]]:
        head = await self.head()
        while self.is_over(head) and head.last - head.first >= PAGE:  # very much was added at once
            chunk = await self._entries(head.first, head.first + PAGE - 1)
            head = await self._folded(head, chunk, _beginning([each.message for each in chunk]))
        entries = await self._entries(head.first, head.last)
        if not self.is_over(head):
            return head, entries
        begin = begin_within([each.message for each in entries], self.tokens_max // 2, WINDOW_MESSAGES_MAX // 2)
        return (await self._folded(head, entries, begin) if begin else head), entries[begin:]

    async def _folded(self, head: ConversationHead, entries: list[Entry], begin: int) -> ConversationHead:
        """The first messages become a part of the summary."""
        out = [each.message for each in entries[:begin]]
        summary = await summarised(head.summary, out, self.tokens_max // 4, self.provider)
        left = head.tokens - sum(map(tokens_of, out))
        head = _replace(head, first=head.first + begin, tokens=max(0, left), summary=summary)
        self._keep(head)
        return head

    async def _entries(self, first: int, last: int) -> list[Entry]:
        """The messages of these numbers."""
        found: dict[str, bytes] = {}
        for at in range(first, last + 1, PAGE):
            count = min(PAGE, last - at + 1)
            found |= await self._rows.read_rows(MESSAGE, f"{self._prefix}/", self._name(at - 1), count)
        names = {self._name(number): number for number in range(first, last + 1)}
        written = {name: row.value for (kind, name), row in self._writes.items() if kind == MESSAGE and name in names}
        found |= {name: value for name, value in written.items() if value is not None}
        return [_entry(found[name], number) for name, number in names.items() if name in found]

    def _erased_some(self, head: ConversationHead) -> ConversationHead:
        until = min(head.floor, head.kept + ERASED_AT_ONCE)
        for number in range(head.kept, until):
            name = self._name(number)
            self._writes[MESSAGE, name] = Row(MESSAGE, name, None)
        return _replace(head, kept=max(head.kept, until))

    def _write(self, number: int, message: ModelMessage) -> None:
        content = _encode(Entry(message=message, at=self._now, event=self._event))
        if len(content) > MESSAGE_BYTES_MAX:
            raise TooLarge(
                f"conversation {self.id!r}: a message of {len(content)} bytes; at most {MESSAGE_BYTES_MAX} are kept"
            )
        name = self._name(number)
        self._writes[MESSAGE, name] = Row(MESSAGE, name, content)

    def _keep(self, head: ConversationHead) -> None:
        self._writes[HEAD, self.id] = Row(HEAD, self.id, _encode(head))

    def _name(self, number: int) -> str:
        return f"{self._prefix}/{number:012d}"


def message_prefix(id: str) -> str:
    """How the names of a conversation's message rows begin; a slash and the number follow."""
    return blake2b(id.encode(), digest_size=16).hexdigest()


def fitting(message: ModelMessage) -> ModelMessage:
    """The message, cut where it is too large to be kept; the same object where it is not."""
    return shortened(message, MESSAGE_BYTES_MAX // 6)  # JSON spells a control character with six


async def heads(rows: Rows, after: str = "", limit: int = 100) -> tuple[list[ConversationHead], str]:
    """An agent's conversations by id, and where the next page begins; empty at the end. One read."""
    found = await rows.read_rows(HEAD, "", after, limit)
    shown = [head for head in map(_head, found.values()) if not head.is_gone]
    return shown, list(found)[-1] if len(found) == limit else ""


def check_id(id: str) -> str:
    """Raises `InvalidInput` for what cannot name a conversation."""
    if not 0 < len(id) <= ID_LENGTH_MAX or not id.isprintable():
        raise InvalidInput(f"conversation {id[:80]!r}: needs 1 to {ID_LENGTH_MAX} printable characters")
    return id


def _checked_budget(tokens_max: int) -> int:
    if tokens_max < TOKENS_LEAST:
        raise InvalidInput(f"tokens_max is {tokens_max}; a conversation needs {TOKENS_LEAST} or more")
    return tokens_max


def _beginning(messages: list[ModelMessage]) -> int:
    """How many of a full page can be folded: all but a last call whose results may be on the next one."""
    return begin_within(messages, 0, len(messages)) or len(messages)


def _message(role: Role, text: str) -> ModelMessage:
    return _replace(user(text), role=role)


_head: Final = msgspec.json.Decoder(ConversationHead).decode
_decode: Final = msgspec.json.Decoder(Entry).decode
_encode: Final = msgspec.json.Encoder().encode


def _entry(content: bytes, number: int) -> Entry:
    return _replace(_decode(content), number=number)


def _replace(value: T, **changes: Any) -> T:
    return msgspec.structs.replace(value, **changes)  # type: ignore[type-var]  # every record here is a Struct
