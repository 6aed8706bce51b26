"""What every `BlobStore` promises: bytes come back as they were put, under their hash, and the young stay."""

import asyncio
import random
from hashlib import sha256

import pytest

from AgentOperatingSystem.errors import BlobNotFound, InvalidInput, StateUnreadable
from tests.contract.conftest import Blobs

CONTENT = b'{"some": "state"}'
NAME = sha256(CONTENT).hexdigest()


async def listed(blobs: Blobs) -> dict[str, float]:
    return {name: put_at async for name, put_at in blobs.store.names()}


@pytest.mark.parametrize(
    "content", [b"", b"\x00", CONTENT, random.Random(5).randbytes(5 << 20)], ids=["empty", "nul", "json", "5 MiB"]
)
async def test_bytes_come_back_as_they_were_put(blobs: Blobs, content: bytes) -> None:
    name = await blobs.store.put(content)
    assert name == sha256(content).hexdigest()
    assert await blobs.store.get(name) == content


async def test_putting_twice_is_the_same_as_once(blobs: Blobs) -> None:
    assert await blobs.store.put(CONTENT) == await blobs.store.put(CONTENT) == NAME
    assert list(await listed(blobs)) == [NAME]


async def test_many_may_put_the_same_at_once(blobs: Blobs) -> None:
    content = random.Random(3).randbytes(200_000)
    names = await asyncio.gather(*(blobs.store.put(content) for _ in range(20)))
    assert set(names) == set(await listed(blobs))
    assert await blobs.store.get(names[0]) == content


async def test_what_was_never_put_is_not_found(blobs: Blobs) -> None:
    with pytest.raises(BlobNotFound, match=NAME):
        await blobs.store.get(NAME)


async def test_damage_is_noticed_and_mended_by_the_next_put(blobs: Blobs) -> None:
    await blobs.store.put(CONTENT)
    blobs.damage(NAME)
    with pytest.raises(StateUnreadable, match="damaged"):
        await blobs.store.get(NAME)
    await blobs.store.put(CONTENT)
    assert await blobs.store.get(NAME) == CONTENT


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "../../../../etc/passwd",
        "/etc/passwd",
        "..",
        NAME[:-1],
        NAME + "0",
        NAME + "\n",
        NAME.upper(),
        f"../{NAME}",
        "٣" * 64,
        "\x00" * 64,
    ],
    ids=ascii,
)
async def test_what_is_no_name_is_refused(blobs: Blobs, name: str) -> None:
    await blobs.store.put(CONTENT)
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        await blobs.store.get(name)
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        await blobs.store.delete(name, 0.0)


async def test_names_are_listed_with_the_time_of_their_last_put(blobs: Blobs) -> None:
    assert await listed(blobs) == {}
    first = blobs.clock.time
    other = await blobs.store.put(b"other")
    await blobs.store.put(CONTENT)
    blobs.clock.time += 1000
    await blobs.store.put(CONTENT)
    assert await listed(blobs) == {other: pytest.approx(first), NAME: pytest.approx(first + 1000)}


async def test_a_blob_is_removed_unless_it_was_put_again(blobs: Blobs) -> None:
    await blobs.store.put(CONTENT)
    blobs.clock.time += 1000
    before = blobs.clock.time
    blobs.clock.time += 1
    await blobs.store.put(CONTENT)
    assert await blobs.store.delete(NAME, unless_put_after=before) is False
    assert await blobs.store.get(NAME) == CONTENT
    assert await blobs.store.delete(NAME, unless_put_after=before + 1000) is True
    with pytest.raises(BlobNotFound):
        await blobs.store.get(NAME)
    assert await listed(blobs) == {}


async def test_removing_what_is_not_there_is_done_already(blobs: Blobs) -> None:
    assert await blobs.store.delete(NAME, unless_put_after=0.0) is True


async def test_a_removed_blob_may_be_put_again(blobs: Blobs) -> None:
    await blobs.store.put(CONTENT)
    await blobs.store.delete(NAME, blobs.clock.time + 1)
    await blobs.store.put(CONTENT)
    assert await blobs.store.get(NAME) == CONTENT


async def test_writers_and_a_remover_never_lose_what_was_just_put(blobs: Blobs) -> None:
    """A writer that was told a name finds its blob there, however often an eager remover of old ones passes."""
    await blobs.store.put(CONTENT)

    async def remove() -> None:
        for _ in range(60):
            await blobs.store.delete(NAME, unless_put_after=blobs.clock.time - 10)
            await asyncio.sleep(0)

    async def write() -> None:
        for _ in range(60):
            blobs.clock.time += 20  # whatever lies there is old now
            await blobs.store.put(CONTENT)
            assert await blobs.store.get(NAME) == CONTENT

    await asyncio.gather(remove(), write(), remove())
