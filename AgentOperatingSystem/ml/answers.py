"""After the call: what makes an answer usable. What does not fit is a `MalformedAnswer`.

Wires hand over what they read, and a whole answer becomes a stream again here.

The guarantee of `OutputSchema` is given here, whatever the provider promises or not: an answer that was not cut fits
the schema.
"""

import re
from collections.abc import Iterator

import msgspec

from AgentOperatingSystem.errors import MalformedAnswer
from AgentOperatingSystem.ml import schemas
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse, ToolCallDelta

_SHOWN_LENGTH_MAX = 200
_WORDS = re.compile(r"\S*\s*")


def checked(request: ModelRequest, response: ModelResponse) -> ModelResponse:
    """The response itself. Raises `MalformedAnswer` where it is empty or does not fit the schema that was asked for;
    the error's `usage` is what the call consumed.
    """
    fault = _fault(request, response)
    if fault:
        error = MalformedAnswer(f"{response.provider}/{response.model}: {fault}")
        error.usage = response.usage
        raise error
    return response


def _fault(request: ModelRequest, response: ModelResponse) -> str:
    if response.tool_calls or response.finish_reason == "refusal":
        return ""
    cut = response.finish_reason == "length"
    if not response.text.strip():
        return "the token limit (max_output_tokens) was reached before any text" if cut else "the answer is empty"
    return "" if cut or request.json_schema is None else schemas.fault(request.json_schema.schema, response.text)


def tool_call(call_id: str, name: str, arguments: object, provider: str) -> ToolCall:
    """A tool call from a provider's words: `arguments` is an object, or its JSON; nothing means none.

    Raises `MalformedAnswer` where it has no name or its arguments are not an object.
    """
    if not name:
        raise MalformedAnswer(f"{provider}: a tool call has no name")
    given = {} if arguments is None else arguments
    try:
        decoded = msgspec.json.decode(given.strip() or "{}") if isinstance(given, str) else given
    except msgspec.DecodeError as error:
        shown = str(given)[:_SHOWN_LENGTH_MAX]
        raise MalformedAnswer(f"{provider}: arguments of {name!r} are not JSON ({error}): {shown!r}") from None
    if not isinstance(decoded, dict):
        raise MalformedAnswer(f"{provider}: arguments of {name!r} are not a JSON object")
    return ToolCall(call_id, name, decoded)


def replayed(response: ModelResponse) -> Iterator[ModelDelta]:
    """A whole answer as a stream of words and calls: for an answer that was made, kept or recorded before."""
    yield from (ModelDelta(text=word) for word in _WORDS.findall(response.text) if word)
    for index, call in enumerate(response.tool_calls):
        arguments = msgspec.json.encode(call.arguments).decode()
        yield ModelDelta(tool_call=ToolCallDelta(index=index, id=call.id, name=call.name, arguments=arguments))
    yield ModelDelta(response=response)
