"""Claim check: a body too large for the broker lies in a blob, and the message names it.

`bus` lets everything that it sends pass `checked_in`, and everything that it receives pass `redeemed`. The blobs lie in
a store of their own, because no row refers to them: `prune` deletes them by age.
"""

from typing import Final

import msgspec

from AgentOperatingSystem.errors import BlobNotFound, StateUnreadable
from AgentOperatingSystem.messaging.servicebus.envelopes import PREFIX
from AgentOperatingSystem.messaging.servicebus.records import BLOB_PROPERTY, Outgoing, Received, Scalar
from AgentOperatingSystem.storage.ports import BlobStore

BODY_BYTES_MAX: Final = 192 << 10
"""The standard tier takes messages of 256 KB, properties and framing included."""
_DATAREF: Final = f"{PREFIX}dataref"
_replace = msgspec.structs.replace


async def checked_in(outgoing: Outgoing, blobs: BlobStore | None, bytes_max: int = BODY_BYTES_MAX) -> Outgoing:
    """The message as it is, or with its body put into a blob. Raises `StoreUnavailable`."""
    if blobs is None or len(outgoing.body) <= bytes_max:
        return outgoing
    name = await blobs.put(outgoing.body)
    properties: dict[str, Scalar] = outgoing.application_properties | {BLOB_PROPERTY: name}
    if any(each.startswith(PREFIX) for each in properties):
        properties[_DATAREF] = f"urn:sha256:{name}"  # CloudEvents' own extension for a claim check
    return _replace(outgoing, body=b"", application_properties=properties)


async def redeemed(received: Received, blobs: BlobStore | None) -> Received:
    """The message with its body, wherever that lies; as it is where the blob is gone, so that whoever reads it says so.

    Raises `StoreUnavailable`.
    """
    name = received.application_properties.get(BLOB_PROPERTY)
    if not isinstance(name, str) or blobs is None:
        return received
    try:
        body = await blobs.get(name)
    except (BlobNotFound, StateUnreadable):
        return received
    properties = {key: value for key, value in received.application_properties.items() if key != _DATAREF}
    return _replace(received, body=body, application_properties=properties)


async def prune(blobs: BlobStore | None, before: float) -> int:
    """Deletes bodies that were put before `before` (UTC seconds); says how many."""
    if blobs is None:
        return 0
    old = [name async for name, put_at in blobs.names() if put_at < before]
    return sum([await blobs.delete(name, before) for name in old])
