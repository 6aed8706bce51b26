"""How many tokens a request may come to, before a provider has counted them: for reserving, never for billing."""

import msgspec

from AgentOperatingSystem.ml.messages import ImagePart
from AgentOperatingSystem.ml.records import ModelRequest

BYTES_PER_TOKEN = 3
"""English has four and more, program text about three, other scripts about three per letter."""
IMAGE_TOKENS = 2000
"""What providers count for a large image, roughly."""
_replace = msgspec.structs.replace


def input_tokens(request: ModelRequest) -> int:
    """An estimate that is rather too high: everything of the request counts, with the names of its fields."""
    images = sum(isinstance(part, ImagePart) for message in request.messages for part in message.parts)
    if images:
        said = [
            _replace(each, parts=tuple(p for p in each.parts if not isinstance(p, ImagePart)))
            for each in request.messages
        ]
        request = _replace(request, messages=tuple(said))
    return len(msgspec.json.encode(request)) // BYTES_PER_TOKEN + images * IMAGE_TOKENS + 1
