"""What a repository promises on every backend: values come back, ETags fence, nothing is seen of other names."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import Conflict, InvalidEvent, InvalidInput
from AgentOperatingSystem.storage.collector import collect
from AgentOperatingSystem.storage.ports import AgentStore
from AgentOperatingSystem.storage.repository import ABSENT, Repository
from tests.contract.conftest import AgentStores, Blobs

LARGE = "x" * 200_000
PLACES = (
    ("memory", "memory"),
    ("memory", "folder"),
    ("sqlite", "memory"),
    ("sqlite", "folder"),
    ("sqlite-outbox", "folder"),
    ("azure", "azure"),
)
"""Where agents and where blobs lie."""
pytestmark = pytest.mark.parametrize(("open_store", "blobs"), PLACES, indirect=True, ids=map("-".join, PLACES))


@pytest.fixture
def repository(store: AgentStore, blobs: Blobs) -> Repository:
    return Repository(store, blobs.store, clock=blobs.clock)


@pytest.mark.parametrize("value", [None, 0, "", "text", [1, {"a": None}], {"ä": "ö"}, LARGE])
async def test_a_value_comes_back(repository: Repository, value: Any) -> None:
    etag = await repository.save("key", value)
    assert await repository.load("key", default="other") == value
    assert await repository.load_with_etag("key") == (value, etag)


async def test_what_is_not_there(repository: Repository) -> None:
    assert await repository.load("key") is None
    assert await repository.load("key", default=3) == 3
    assert await repository.load_with_etag("key") == (None, ABSENT)
    await repository.delete("key")
    assert (await repository.list()).items == ()


async def test_the_last_writer_wins_where_no_etag_is_given(repository: Repository) -> None:
    await asyncio.gather(*(repository.save("key", number) for number in range(10)))
    assert await repository.load("key") in range(10)
    first, last = await repository.save("key", LARGE), await repository.save("key", "small")
    assert first != last
    assert await repository.load("key") == "small"


async def test_an_etag_fences(repository: Repository) -> None:
    first = await repository.save("key", 1, etag=ABSENT)
    second = await repository.save("key", 2, etag=first)
    for etag in (first, ABSENT, "9", "nonsense"):
        with pytest.raises(Conflict, match=f"'key' has the ETag '{second}', not '{etag}'"):
            await repository.save("key", 3, etag=etag)
        with pytest.raises(Conflict, match="somebody else has changed it"):
            await repository.delete("key", etag=etag)
    assert await repository.load("key") == 2


async def test_of_many_who_read_the_same_one_writes(repository: Repository) -> None:
    etag = await repository.save("key", 0)
    tries = await asyncio.gather(*(repository.save("key", n, etag) for n in range(8)), return_exceptions=True)
    assert [isinstance(each, Conflict) for each in tries].count(False) == 1


async def test_a_deleted_key_is_absent_and_its_old_etag_is_never_right_again(repository: Repository) -> None:
    old = await repository.save("key", LARGE)
    await repository.delete("key", etag=old)
    assert await repository.load_with_etag("key") == (None, ABSENT)
    assert (await repository.list()).items == ()
    with pytest.raises(Conflict):
        await repository.save("key", 1, etag=old)
    again = await repository.save("key", 1, etag=ABSENT)
    assert again != old
    assert await repository.load("key") == 1


async def test_keys_are_listed_by_prefix_in_pages(repository: Repository) -> None:
    keys = sorted(["a", "a/1", "a/2", "a|3", "b", "", "ü"])
    for key in keys:
        await repository.save(key, key)
    assert sorted((await repository.list()).items) == keys
    assert (await repository.list("a/")).items == ("a/1", "a/2")
    first = await repository.list("a", limit=2)
    assert first.after
    assert sorted([*first.items, *(await repository.list("a", after=first.after)).items]) == ["a", "a/1", "a/2", "a|3"]


async def test_names_and_tenants_are_apart(store: AgentStore, blobs: Blobs) -> None:
    places = [
        Repository(store, blobs.store, name, tenant=tenant) for name in ("a", "ab", "a|") for tenant in ("t", "t2")
    ]
    for number, place in enumerate(places):
        await place.save("key", number)
    assert [await place.load("key") for place in places] == list(range(6))
    assert {(await place.list()).items for place in places} == {("key",)}


@pytest.mark.parametrize("key", ["x" * 600, "a\nb", "\ud800"])
async def test_a_wrong_key_is_refused(repository: Repository, key: str) -> None:
    with pytest.raises(InvalidInput, match="of repository 'default': agent key"):
        await repository.save(key, 1)


async def test_wrong_names_and_values_are_refused(store: AgentStore, blobs: Blobs) -> None:
    for name in ("", "a/b"):
        with pytest.raises(InvalidInput, match="repository name"):
            Repository(store, blobs.store, name)
    with pytest.raises(InvalidEvent, match="not a JSON value"):
        await Repository(store, blobs.store).save("key", object())


async def test_large_values_survive_the_collector_until_they_are_replaced(
    repository: Repository, store: AgentStore, blobs: Blobs
) -> None:
    await repository.save("key", LARGE)
    await blobs.clock.sleep(1000)
    assert await collect(store, blobs.store, 100, blobs.clock) == 0
    assert await repository.load("key") == LARGE
    await repository.save("key", 1)
    assert await collect(store, blobs.store, 100, blobs.clock) == 1


async def test_values_survive_a_restart(open_store: AgentStores, blobs: Blobs, tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await Repository(store, blobs.store).save("key", {"a": 1})
        if "memory" in type(store).__name__.lower():
            pytest.skip("memory keeps nothing, and says so in its name")
    async with open_store(tmp_path) as store:
        assert await Repository(store, blobs.store).load("key") == {"a": 1}


async def test_a_random_walk_agrees_with_a_dictionary(repository: Repository) -> None:
    walk, model, etags = random.Random(7), dict[str, Any](), dict[str, str]()
    for step in range(150):
        key = walk.choice("abcd")
        match walk.choice(["save", "save", "fenced", "stale", "delete"]):
            case "save":
                etags[key] = await repository.save(key, step)
                model[key] = step
            case "fenced":
                etags[key] = await repository.save(key, step, etag=etags.get(key, ABSENT))
                model[key] = step
            case "stale":
                with pytest.raises(Conflict):
                    await repository.save(key, step, etag="0")
            case "delete":
                await repository.delete(key)
                model.pop(key, None), etags.pop(key, None)
        if step % 3 == 0:
            assert {name: await repository.load(name) for name in (await repository.list()).items} == model
