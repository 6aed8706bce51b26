"""What every store of passages promises: replaced as one, found by meaning and by word, removed without a trace."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from AgentOperatingSystem.errors import Conflict, EmbedderMismatch, InvalidInput
from AgentOperatingSystem.knowledge.memory import MemoryPassageStore
from AgentOperatingSystem.knowledge.ports import PassageStore
from AgentOperatingSystem.knowledge.records import Entry, Passage, Scope
from AgentOperatingSystem.knowledge.sqlite import FILE, SqlitePassageStore

HERE, THERE, OTHER_TENANT = Scope("acme", "law"), Scope("acme", "news"), Scope("other", "law")
UP, RIGHT, BACK = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PassageStore]:
    made: PassageStore = MemoryPassageStore() if request.param == "memory" else SqlitePassageStore(tmp_path / FILE)
    yield made
    await made.close()
    await made.close()


def passage(source: str, text: str, start: int = 0, heading: str = "") -> Passage:
    return Passage(
        id=f"{source}-{start}-{text[:8]}",
        source=source,
        heading=heading,
        start=start,
        stop=start + len(text),
        text=text,
    )


async def put(
    store: PassageStore,
    source: str,
    *told: tuple[str, tuple[float, ...]],
    scope: Scope = HERE,
    embedder: str = "one",
    heading: str = "",
) -> None:
    passages = [passage(source, text, 100 * number, heading) for number, (text, _) in enumerate(told)]
    digest = " ".join(text for text, _ in told)
    entry = Entry(source=source, title=source.title(), digest=digest, characters=9, passages=len(told), added_at=1.0)
    await store.replace(scope, embedder, entry, passages, [vector for _, vector in told])


async def near(store: PassageStore, vector: tuple[float, ...] = UP, scope: Scope = HERE, *sources: str) -> list[str]:
    return [each.text for each, cosine in await store.nearest(scope, vector, 10, sources) if cosine > 0.1]


async def match(store: PassageStore, *words: str, scope: Scope = HERE, sources: tuple[str, ...] = ()) -> list[str]:
    return [each.text for each in await store.matching(scope, words, 10, sources)]


async def test_what_is_put_comes_back_whole(store: PassageStore) -> None:
    kept = Passage(id="p1", source="a", title="T", heading="H > I", page=3, start=7, stop=12, text="apple")
    entry = Entry(source="a", title="T", digest="d", characters=20, passages=1, added_at=5.5)
    await store.replace(HERE, "one", entry, [kept], [UP])
    assert await store.passage(HERE, "p1") == kept
    assert await store.entry(HERE, "a") == entry
    assert [each for each, _ in await store.nearest(HERE, UP, 5)] == [kept]
    assert await store.matching(HERE, ["apple"], 5) == [kept]
    collection = await store.collection(HERE)
    assert collection is not None
    assert (collection.name, collection.embedder, collection.dimensions, collection.passages) == ("law", "one", 3, 1)


async def test_an_empty_store_answers_with_nothing(store: PassageStore) -> None:
    assert await store.collection(HERE) is None
    assert await store.collections("acme") == ()
    assert await store.entry(HERE, "a") is None
    assert await store.passage(HERE, "p") is None
    assert list(await store.nearest(HERE, UP, 5)) == []
    assert list(await store.matching(HERE, ["apple"], 5)) == []
    assert await store.remove(HERE, ["a"]) == ()
    assert await store.drop(HERE) is False
    assert (await store.entries(HERE)).items == ()


async def test_the_nearest_come_first_with_their_cosine(store: PassageStore) -> None:
    await put(store, "a", ("right", RIGHT), ("up", UP), ("between", (1.0, 1.0, 0.0)))
    found = await store.nearest(HERE, (1.0, 0.2, 0.0), 3)
    assert [each.text for each, _ in found] == ["up", "between", "right"]
    assert found[0][1] == pytest.approx(0.98, abs=0.01)
    assert [each.text for each, _ in await store.nearest(HERE, UP, 1)] == ["up"]


async def test_of_equals_the_first_put_in_comes_first(store: PassageStore) -> None:
    await put(store, "b", ("one", UP), ("two", UP))
    await put(store, "a", ("three", UP))
    assert await near(store) == ["one", "two", "three"]


async def test_words_are_found_in_any_form_and_rare_ones_count_more(store: PassageStore) -> None:
    await put(store, "a", ("the apples were eaten", UP), ("an apple and a pear", UP), ("apple trees", UP))
    assert set(await match(store, "apple")) == {"the apples were eaten", "an apple and a pear", "apple trees"}
    assert (await match(store, "apple", "pear"))[0] == "an apple and a pear"
    assert await match(store, "plum") == []


async def test_a_word_of_the_heading_counts(store: PassageStore) -> None:
    await put(store, "a", ("it is green", UP), heading="Fruit > Apples")
    assert await match(store, "apple") == ["it is green"]


async def test_a_changed_document_takes_the_place_of_the_old(store: PassageStore) -> None:
    await put(store, "a", ("old apple", UP), ("old pear", UP))
    assert await near(store) == ["old apple", "old pear"]
    await put(store, "a", ("new apple", UP))
    assert await near(store) == ["new apple"]
    assert await match(store, "apple", "pear") == ["new apple"]
    assert [each.passages for each in (await store.entries(HERE)).items] == [1]


async def test_as_many_new_passages_as_old_ones_are_seen_too(store: PassageStore) -> None:
    await put(store, "a", ("old", UP))
    assert await near(store) == ["old"]
    await put(store, "a", ("new", UP))
    assert await near(store) == ["new"]


async def test_what_is_gone_takes_nobody_s_place(store: PassageStore) -> None:
    await put(store, "a", ("old", UP), ("older", UP), ("oldest", UP))
    await put(store, "b", ("kept", (1.0, 1.0, 0.0)))
    assert [each.text for each, _ in await store.nearest(HERE, UP, 2)] == ["old", "older"]
    await store.remove(HERE, ["a"])
    assert [each.text for each, _ in await store.nearest(HERE, UP, 2)] == ["kept"]


async def test_searches_are_bounded_by_sources(store: PassageStore) -> None:
    for source in ("docs/a", "docs/b", "c", "docs"):
        await put(store, source, (f"apple of {source}", UP))
    assert await near(store, UP, HERE, "c") == ["apple of c"]
    assert set(await near(store, UP, HERE, "docs/*", "c")) == {"apple of docs/a", "apple of docs/b", "apple of c"}
    assert set(await match(store, "apple", sources=("docs/*",))) == {"apple of docs/a", "apple of docs/b"}
    assert await match(store, "apple", sources=("nothing",)) == []


async def test_documents_are_removed_with_all_that_is_theirs(store: PassageStore) -> None:
    for source in ("docs/a", "docs/b", "c"):
        await put(store, source, (f"apple of {source}", UP))
    assert await near(store)
    assert await store.remove(HERE, ["docs/*", "nothing"]) == ("docs/a", "docs/b")
    assert await near(store) == ["apple of c"]
    assert await match(store, "apple") == ["apple of c"]
    assert await store.entry(HERE, "docs/a") is None
    assert await store.remove(HERE, ["docs/*"]) == ()


async def test_percent_and_underscore_are_plain_characters_in_a_beginning(store: PassageStore) -> None:
    for source in ("a_b", "axb", "a%b"):
        await put(store, source, (source, UP))
    assert await store.remove(HERE, ["a_*"]) == ("a_b",)
    assert await store.remove(HERE, ["a%*"]) == ("a%b",)


async def test_a_collection_is_dropped_and_made_anew(store: PassageStore) -> None:
    await put(store, "a", ("old", UP))
    assert await near(store) == ["old"]
    assert await store.drop(HERE) is True
    assert await near(store) == []
    assert await match(store, "old") == []
    await put(store, "a", ("new", (1.0, 0.0)), embedder="two")
    assert await near(store, (1.0, 0.0)) == ["new"]


async def test_collections_and_tenants_see_nothing_of_each_other(store: PassageStore) -> None:
    await put(store, "a", ("apple here", UP))
    await put(store, "a", ("apple there", UP), scope=THERE)
    await put(store, "a", ("apple of others", UP), scope=OTHER_TENANT)
    for scope, text in ((HERE, "apple here"), (THERE, "apple there"), (OTHER_TENANT, "apple of others")):
        assert await near(store, UP, scope) == [text]
        assert await match(store, "apple", scope=scope) == [text]
    assert [each.name for each in await store.collections("acme")] == ["law", "news"]
    assert await store.passage(THERE, "a-0-apple he") is None
    await store.drop(HERE)
    assert await match(store, "apple", scope=OTHER_TENANT) == ["apple of others"]


async def test_another_embedders_vectors_are_refused_and_nothing_is_written(store: PassageStore) -> None:
    await put(store, "a", ("apple", UP))
    with pytest.raises(EmbedderMismatch, match="aos knowledge embed law"):
        await put(store, "b", ("pear", UP), embedder="two")
    with pytest.raises(EmbedderMismatch):
        await put(store, "a", ("pear", (1.0, 0.0)))
    with pytest.raises(EmbedderMismatch):
        await store.nearest(HERE, (1.0, 0.0), 5)
    assert await near(store) == ["apple"]
    assert [each.source for each in (await store.entries(HERE)).items] == ["a"]


async def test_a_collection_that_holds_nothing_becomes_the_new_embedders(store: PassageStore) -> None:
    await put(store, "a", ("apple", UP))
    await store.remove(HERE, ["a"])
    await put(store, "b", ("pear", (1.0, 0.0)), embedder="two")
    assert await near(store, (1.0, 0.0)) == ["pear"]


async def test_vectors_of_different_lengths_or_of_no_numbers_are_refused(store: PassageStore) -> None:
    with pytest.raises(InvalidInput):
        await put(store, "a", ("apple", UP), ("pear", (1.0, 0.0)))
    with pytest.raises(InvalidInput):
        await put(store, "a", ("apple", (float("nan"), 0.0, 1.0)))
    assert await store.collection(HERE) is None


async def test_all_vectors_are_made_anew_at_once(store: PassageStore) -> None:
    await put(store, "a", ("apple", UP), ("pear", RIGHT))
    assert await near(store) == ["apple"]
    collection = await store.collection(HERE)
    assert collection is not None
    numbered = await store.batch(HERE, 0, 10)
    assert [each.text for _, each in numbered] == ["apple", "pear"]
    assert [each.text for _, each in await store.batch(HERE, numbered[0][0], 10)] == ["pear"]
    anew = [(number, (0.0, 1.0) if each.text == "apple" else (1.0, 0.0)) for number, each in numbered]
    await store.renew(HERE, "two", collection.version, anew)
    assert await near(store, (1.0, 0.0)) == ["pear"]
    assert await match(store, "apple") == ["apple"]
    with pytest.raises(Conflict):
        await store.renew(HERE, "three", collection.version, anew)
    after = await store.collection(HERE)
    assert after is not None
    assert (after.embedder, after.dimensions) == ("two", 2)


async def test_lists_come_in_pages(store: PassageStore) -> None:
    for number in range(5):
        await put(store, f"s{number}", ("x", UP))
    first = await store.entries(HERE, limit=2)
    assert [each.source for each in first.items] == ["s0", "s1"]
    rest = await store.entries(HERE, first.after, limit=3)
    assert ([each.source for each in rest.items], rest.after) == (["s2", "s3", "s4"], "")


async def test_many_that_put_the_same_document_leave_it_once(store: PassageStore) -> None:
    await asyncio.gather(*(put(store, "a", (f"apple {number}", UP)) for number in range(10)))
    assert len(await near(store)) == 1
    assert len((await store.entries(HERE)).items) == 1


async def test_odd_words_are_looked_for_as_they_are(store: PassageStore) -> None:
    await put(store, "a", ("naïve café, 日本 and ЩИ or not", UP))
    for word in ("naïve", "cafe", "日本", "щи", "or", "not", "near"):
        assert (await match(store, word) == []) is (word == "near")
