"""Listening to a stream until it ends, well or badly."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from AgentOperatingSystem.errors import ModelError
from AgentOperatingSystem.ml.records import ModelDelta


async def heard(deltas: AsyncGenerator[ModelDelta, None]) -> tuple[list[str], ModelError | None]:
    """The texts that came, and the error at their end."""
    texts = []
    try:
        async with aclosing(deltas):
            async for delta in deltas:
                texts.append(delta.text)
    except ModelError as error:
        return texts, error
    return texts, None
