"""One hash for one question: the key of the cache, of coalescing, and of a step in the journal."""

from hashlib import sha256

import msgspec

from AgentOperatingSystem.ml.records import ModelRequest

VERSION = 1  # grows when the same request would hash otherwise: recorded steps must not be taken for others
_WITHOUT_EFFECT = {"timeout_seconds": None, "cache": "use"}  # how it is asked, not what
_encode = msgspec.json.Encoder(order="deterministic").encode


def request_hash(request: ModelRequest, model: str = "") -> str:
    """64 hexadecimal digits over everything of the request that can change the answer; `model` is the name of the model
    that is asked, where the request leaves that to it.

    The order of a schema's keys does not matter; the order of messages and tools does.
    """
    plain = msgspec.structs.replace(request, model=request.model or model, **_WITHOUT_EFFECT)
    return sha256(_encode((VERSION, plain))).hexdigest()
