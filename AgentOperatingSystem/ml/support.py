"""Before the call: a request that this model cannot answer is refused here, in words, instead of by the provider.

Every provider asks `check_supported` first. What a model can do comes from `catalogue`.
"""

from collections.abc import Iterator

from AgentOperatingSystem.errors import BadModelRequest, UnknownModel, UnsupportedRequest
from AgentOperatingSystem.ml.messages import ImagePart
from AgentOperatingSystem.ml.records import Capabilities, ModelRequest
from AgentOperatingSystem.ml.schemas import check_schema


def check_supported(request: ModelRequest, name: str, capabilities: Capabilities, *, streaming: bool = False) -> None:
    """Raises `UnknownModel` where the request names another model than `name`, `BadModelRequest` where it asks nothing
    or its schema is none, and `UnsupportedRequest` with everything that the model cannot do.
    """
    if request.model not in ("", name):
        raise UnknownModel(f"this is {name}, and the request is for {request.model}")
    if not request.messages:
        raise BadModelRequest(f"{name}: the request has no message")
    if streaming and not capabilities.streaming:
        raise UnsupportedRequest(f"{name} cannot stream")
    lacking = ", ".join(_lacking(request, capabilities))
    if lacking:
        raise UnsupportedRequest(f"{name} does not support: {lacking}")
    if request.json_schema is not None:
        check_schema(request.json_schema.schema)


def _lacking(request: ModelRequest, can: Capabilities) -> Iterator[str]:
    images = [part for message in request.messages for part in message.parts if isinstance(part, ImagePart)]
    too_long = can.max_output_tokens is not None and (request.max_output_tokens or 0) > can.max_output_tokens
    needs = {
        "tools": (bool(request.tools), can.tools),
        "a demanded tool (tool_choice)": (request.tool_choice not in ("auto", "none"), can.tool_choice),
        "a JSON schema for the answer (json_schema)": (request.json_schema is not None, can.json_schema),
        "images": (bool(images), can.vision),
        "images by address (url)": (can.vision and any(image.url for image in images), can.image_urls),
        "temperature": (request.temperature is not None, can.sampling),
        "stop texts": (bool(request.stop), can.stop),
        "seed": (request.seed is not None, can.seed),
        f"adapters (adapter {request.adapter!r})": (bool(request.adapter), can.adapters),
        f"max_output_tokens above {can.max_output_tokens}": (too_long, False),
    }
    return (what for what, (needed, present) in needs.items() if needed and not present)
