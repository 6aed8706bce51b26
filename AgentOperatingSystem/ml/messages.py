"""What is said to a model and by it: messages, their parts, and the calls of tools.

Agents and conversations build these, wires turn them into a provider's own words, and the journal and the cache hash
them. Every record is frozen and encodes as JSON.
"""

from typing import Any, Literal

import msgspec

from AgentOperatingSystem.errors import InvalidInput

Role = Literal["system", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    """Text within a message."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image", kw_only=True):
    """An image within a message: its bytes, or an address that the provider itself fetches.

    Raises `InvalidInput` where both or neither are given.
    """

    data: bytes = b""
    url: str = ""
    media_type: str = "image/png"

    def __post_init__(self) -> None:
        if bool(self.data) == bool(self.url):
            raise InvalidInput("an image has either data or a url")


Part = TextPart | ImagePart


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for one call of a tool."""

    id: str
    """Names the call in this conversation; the tool's result carries it."""
    name: str
    arguments: dict[str, Any] = {}


class ModelMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a conversation. Made by the functions below."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    """What the assistant asked for in this message."""
    tool_call_id: str = ""
    """Of a tool's result: which call it answers."""
    tool_name: str = ""
    failed: bool = False
    """Of a tool's result: it is an error. The text says so as well, because not every provider can be told apart."""
    carry: dict[str, Any] = {}
    """By provider: what it wants to see again unchanged, such as signed thoughts. No other provider is shown it."""

    @property
    def text(self) -> str:
        """The message's text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


def system(text: str) -> ModelMessage:
    """What the model is and must do."""
    return ModelMessage(role="system", parts=(TextPart(text),))


def user(*said: str | Part) -> ModelMessage:
    """What the model is asked: texts and images, in order."""
    return ModelMessage(role="user", parts=tuple(TextPart(part) if isinstance(part, str) else part for part in said))


def assistant(text: str = "", *tool_calls: ToolCall) -> ModelMessage:
    """What the model said. For an answer that was just received, `ModelResponse.message` keeps more."""
    return ModelMessage(role="assistant", parts=(TextPart(text),) if text else (), tool_calls=tool_calls)


def tool_result(call: ToolCall, text: str, *, failed: bool = False) -> ModelMessage:
    """What a tool answered to a call."""
    return ModelMessage(role="tool", parts=(TextPart(text),), tool_call_id=call.id, tool_name=call.name, failed=failed)
