"""The records of the model port: what is asked, what is answered, what it used and cost. Frozen, and JSON.

Handlers and teams make a `ModelRequest`; a `ModelProvider` answers with a `ModelResponse`, or with `ModelDelta`s whose
last one carries the response. What a provider did not say is None, never a guess.
"""

from decimal import Decimal
from typing import Any, Literal, Self

import msgspec

from AgentOperatingSystem.errors import ContentFiltered, MalformedAnswer, NoModelConfigured
from AgentOperatingSystem.ml.messages import ModelMessage, TextPart, ToolCall, system, user

OFFLINE = "offline"

FinishReason = Literal["stop", "length", "tool_calls", "refusal"]
CacheUse = Literal["use", "refresh", "bypass"]


class ToolSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model may ask for."""

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    """The JSON schema of its arguments, an object."""


class NamedTool(msgspec.Struct, frozen=True):
    """A tool choice: this tool, and no other, must be asked for."""

    name: str


class OutputSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The answer must be JSON that fits this schema; an answer that does not is a `MalformedAnswer`."""

    schema: dict[str, Any]
    name: str = "answer"
    """Letters, digits, `_` and `-`: some providers show it to the model."""


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to a model, complete in itself."""

    messages: tuple[ModelMessage, ...]
    model: str = ""
    """`provider/model`; empty means the provider's own. A provider refuses to answer for another model."""
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "none", "required"] | NamedTool = "auto"
    json_schema: OutputSchema | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    """Texts at which the model stops; they are not part of the answer."""
    seed: int | None = None
    adapter: str = ""
    """The adapter (LoRA) of the model that is to answer, as the endpoint serves it; empty means the model itself."""
    timeout_seconds: float | None = None
    """How long the whole call may take; None means the provider's setting. Not part of the request's hash."""
    cache: CacheUse = "use"
    """`refresh` asks again and keeps the new answer; `bypass` also keeps nothing. Not part of the request's hash."""
    options: dict[str, Any] = {}
    """Further parameters in the provider's own words, sent as they are."""

    @classmethod
    def ask(cls, question: str, *, instructions: str = "", **fields: Any) -> Self:
        """A request of one question, with the model's instructions where given."""
        said = (system(instructions), user(question)) if instructions else (user(question),)
        return cls(messages=said, **fields)


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The tokens of one call; None where the provider did not say."""

    input_tokens: int | None = None
    """All of the request's tokens, those from the provider's cache included."""
    output_tokens: int | None = None
    """All that the model produced, hidden thoughts included: what is billed."""
    cached_tokens: int | None = None
    """How many of the input tokens came from the provider's cache."""
    cache_write_tokens: int | None = None
    """How many of the input tokens were written to it."""


NOTHING_USED = Usage(input_tokens=0, output_tokens=0, cached_tokens=0, cache_write_tokens=0)


class Cost(msgspec.Struct, frozen=True):
    """What a call cost."""

    amount: Decimal
    currency: str = "USD"
    priced_on: str = ""
    """The day on which the price was read from the provider's page."""


class ModelResponse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model's whole answer."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    """`length`: cut at a token limit. `refusal`: the model declined, and the text says why."""
    usage: Usage = Usage()
    model: str = ""
    """The model as the provider names it, often with its version."""
    provider: str = ""
    cost: Cost | None = None
    cost_note: str = ""
    """Why the cost is unknown."""
    cache_hit: bool = False
    """No call was made for this answer: usage and cost are nothing."""
    id: str = ""
    """The provider's name for the answer, for its support."""
    carry: dict[str, Any] = {}
    """See `ModelMessage.carry`."""

    @property
    def message(self) -> ModelMessage:
        """The answer as the conversation's next message."""
        parts = (TextPart(self.text),) if self.text else ()
        return ModelMessage(role="assistant", parts=parts, tool_calls=self.tool_calls, carry=self.carry)

    def value(self) -> Any:
        """The JSON value of an answer to a request with a schema.

        Raises `NoModelConfigured` where nobody thought, `ContentFiltered` where the model declined, `MalformedAnswer`
        where the text is not JSON (such as one that was cut).
        """
        if self.finish_reason == "refusal":
            raise (NoModelConfigured if self.provider == OFFLINE else ContentFiltered)(self.text)
        try:
            return msgspec.json.decode(self.text)
        except msgspec.DecodeError as error:
            raise MalformedAnswer(f"{self.provider}: the answer is not JSON ({error}): {self.text[:200]!r}") from None


class ToolCallDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a tool call; the pieces of one call share their index."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    """A piece of the arguments' JSON."""


class ModelDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of an answer that is still being given; the last one has the whole response and nothing else."""

    text: str = ""
    tool_call: ToolCallDelta | None = None
    response: ModelResponse | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model can do. A request that needs more is refused before the call."""

    tools: bool = True
    tool_choice: bool = True
    """Whether a tool can be demanded."""
    json_schema: bool = True
    vision: bool = False
    image_urls: bool = True
    """Whether images can be given by their address, where there is vision."""
    streaming: bool = True
    sampling: bool = True
    """Whether it takes a temperature."""
    stop: bool = True
    seed: bool = True
    adapters: bool = False
    """Whether requests may name an adapter that is served beside the model."""
    context_tokens: int | None = None
    """The longest request and answer together; None where it is not known."""
    max_output_tokens: int | None = None
