"""Which part of a conversation a model is shown: pure functions over messages and estimates of their tokens.

`conversation.py` asks where to cut. A tool's result is never parted from the call that it answers: providers refuse
such a request.
"""

from collections.abc import Sequence

from AgentOperatingSystem.ml.messages import ImagePart, ModelMessage, TextPart

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 4
"""What a message costs beyond its text: role and borders."""
IMAGE_TOKENS = 1000
"""An estimate; providers count by size and detail."""


def tokens_of_text(text: str) -> int:
    """An estimate without a tokenizer: four bytes of UTF-8 for a token, so that no script is far off."""
    return (len(text.encode(errors="replace")) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN


def tokens_of(message: ModelMessage) -> int:
    """An estimate of what a message costs as a part of a request."""
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    images = len(message.parts) - len(texts)
    calls = [f"{call.name}{call.arguments}" for call in message.tool_calls]
    return MESSAGE_TOKENS + images * IMAGE_TOKENS + sum(map(tokens_of_text, (*texts, *calls)))


def begin_within(messages: Sequence[ModelMessage], tokens_max: int, count_max: int) -> int:
    """Where the newest part begins that fits both limits.

    It begins with what a user said, where any of that fits; else with a message that answers no call. Where not even
    the last of these fits, it is taken all the same: something must be shown.
    """
    fits = _first_that_fits(messages, tokens_max, count_max)
    starts = [at for at, message in enumerate(messages) if message.role != "tool"]
    users = [at for at in starts if messages[at].role == "user" and at >= fits]
    later = [at for at in starts if at >= fits]
    return (users or later or starts[-1:] or [0])[0]


def shortened(message: ModelMessage, bytes_max: int) -> ModelMessage:
    """The message with texts cut, and images left out, so that its texts have at most `bytes_max` bytes; what is gone
    is said in its place. The same object where it fits.
    """
    if _bytes_of(message) <= bytes_max:
        return message
    share = bytes_max // max(1, len(message.parts))
    parts = tuple(_short(part, share) for part in message.parts)
    return ModelMessage(
        role=message.role,
        parts=parts,
        tool_calls=message.tool_calls,
        tool_call_id=message.tool_call_id,
        tool_name=message.tool_name,
        failed=message.failed,
    )


def _first_that_fits(messages: Sequence[ModelMessage], tokens_max: int, count_max: int) -> int:
    left = tokens_max
    for at in range(len(messages) - 1, -1, -1):
        left -= tokens_of(messages[at])
        if left < 0 or len(messages) - at > count_max:
            return at + 1
    return 0


def _bytes_of(message: ModelMessage) -> int:
    sizes = [len(part.data) if isinstance(part, ImagePart) else len(part.text.encode()) for part in message.parts]
    return sum(sizes)


def _short(part: TextPart | ImagePart, bytes_max: int) -> TextPart | ImagePart:
    if isinstance(part, ImagePart):
        return TextPart(f"[an image of {len(part.data)} bytes is not kept]") if part.data else part
    content = part.text.encode()
    if len(content) <= bytes_max:
        return part
    kept = content[:bytes_max].decode(errors="ignore")
    return TextPart(f"{kept}\n[{len(part.text) - len(kept)} more characters are not kept]")
