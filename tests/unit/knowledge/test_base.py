"""The knowledge base over a real file: added once, changed as one, searched, removed, embedded anew."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents.documents import Documents
from AgentOperatingSystem.errors import (
    ConfigurationError,
    Conflict,
    EmbedderMismatch,
    InvalidInput,
    NotFound,
    UnknownModel,
    UnreadableDocument,
)
from AgentOperatingSystem.knowledge import KnowledgeBase, LocalEmbedder, Part, Readable, Scope, SqlitePassageStore
from AgentOperatingSystem.knowledge.records import SearchBy
from AgentOperatingSystem.knowledge.sqlite import FILE

PAY = "Invoices are paid within ten days."
ILL = "Who is ill tells the team leader."


class Counting(LocalEmbedder):
    """Counts what it embeds; under another name it is another embedder."""

    def __init__(self, name: str = "counting") -> None:
        self.texts = 0
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def passages(self, texts: Sequence[str]) -> list[list[float]]:
        self.texts += len(texts)
        return await super().passages(texts)


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[KnowledgeBase]:
    made = KnowledgeBase(SqlitePassageStore(tmp_path / FILE), Counting(), Documents())
    yield made
    await made.close()


def texts(found: Sequence[Any]) -> list[str]:
    return [each.passage.text for each in found]


async def test_the_same_document_again_costs_nothing(base: KnowledgeBase) -> None:
    first = await base.add_text("rules", PAY)
    again = await base.add_text("rules", PAY)
    assert (first.changed, again.changed, again.digest) == (True, False, first.digest)
    assert isinstance(base.embedder, Counting)
    assert base.embedder.texts == 1


async def test_a_changed_document_replaces_its_passages(base: KnowledgeBase) -> None:
    await base.add_text("rules", PAY)
    await base.add_text("rules", ILL)
    assert texts(await base.search("invoices paid ill leader")) == [ILL]


async def test_it_finds_by_meaning_by_word_and_by_both(base: KnowledgeBase) -> None:
    await base.add_text("pay", PAY)
    await base.add_text("ill", ILL)
    settle = "When do we settle bills?"
    assert texts(await base.search(settle, by="words")) == []
    ways: tuple[SearchBy, ...] = ("meaning", "hybrid")
    for by in ways:
        (found,) = await base.search(settle, by=by)
        assert (found.passage.text, found.shares_words, (found.similarity or 0) > 0) == (PAY, False, True)
    (word,) = await base.search("invoice", by="words")
    assert (word.passage.text, word.similarity, word.shares_words) == (PAY, None, True)


@pytest.mark.parametrize("by", ["meaning", "words", "hybrid"])
async def test_where_nothing_has_to_do_with_it_nothing_is_found(base: KnowledgeBase, by: SearchBy) -> None:
    assert await base.search("Which mushrooms are edible?", by=by) == ()
    await base.add_text("pay", PAY)
    assert await base.search("Which mushrooms are edible?", by=by) == ()


async def test_one_word_of_many_is_chance(base: KnowledgeBase) -> None:
    class Strict(Counting):
        floor = 0.9

    strict = KnowledgeBase(base.store, Strict())
    await strict.add_text("a", "Zebras sleep.")
    assert await strict.search("purple zebras tango quixotic waltz") == ()
    assert texts(await strict.search("sleep of purple zebras")) == ["Zebras sleep."]
    assert texts(await strict.search("purple zebras tango quixotic waltz", by="words")) == ["Zebras sleep."]


async def test_files_are_read_with_headings_and_damaged_ones_refused(base: KnowledgeBase) -> None:
    await base.add_bytes("house.md", b"# House\n\n## Pay\n\nInvoices are paid within ten days.")
    (found,) = await base.search("When are invoices paid?")
    assert (found.passage.title, found.passage.heading) == ("House", "House > Pay")
    with pytest.raises(UnreadableDocument):
        await base.add_bytes("a.pdf", b"%PDF-1.7 broken")
    assert [each.source for each in (await base.entries()).items] == ["house.md"]


async def test_what_is_no_document_is_refused(base: KnowledgeBase) -> None:
    for source, text in (("", PAY), ("a\nb", PAY), ("x" * 2000, PAY), ("a", " \n")):
        with pytest.raises(InvalidInput):
            await base.add_text(source, text)
    for collection in ("", "a b", "../x", "x" * 65):
        with pytest.raises(InvalidInput, match="collection"):
            await base.add_text("a", PAY, collection)
    for question, limit in (("", 5), ("x", 0), ("x", 101)):
        with pytest.raises(InvalidInput):
            await base.search(question, limit=limit)
    with pytest.raises(InvalidInput, match="name the documents"):
        await base.remove()
    assert await base.collections() == ()


async def test_passages_are_cited_by_id(base: KnowledgeBase) -> None:
    await base.add_text("pay", PAY)
    (found,) = await base.search("invoices")
    assert await base.passage(found.passage.id) == found.passage
    with pytest.raises(NotFound):
        await base.passage("p0")


async def test_tenants_see_nothing_of_each_other(base: KnowledgeBase) -> None:
    await base.add_text("pay", PAY)
    other = base.of("other")
    assert await other.search("invoices") == ()
    assert await other.collections() == ()
    assert await other.drop("default") is False
    assert texts(await base.search("invoices")) == [PAY]


async def test_another_embedder_is_refused_until_all_is_embedded_anew(base: KnowledgeBase) -> None:
    await base.add_text("pay", PAY)
    renamed = KnowledgeBase(base.store, Counting("another"))
    for refused in (renamed.search("invoices"), renamed.add_text("ill", ILL)):
        with pytest.raises(EmbedderMismatch, match=r"counting.*another.*aos knowledge embed default"):
            await refused
    assert await renamed.embed() == 1
    assert texts(await renamed.search("When do we settle bills?")) == [PAY]
    with pytest.raises(EmbedderMismatch):
        await base.search("invoices")
    with pytest.raises(NotFound):
        await renamed.embed("nothing")


async def test_a_change_while_it_embeds_anew_is_not_lost(base: KnowledgeBase) -> None:
    await base.add_text("pay", PAY)

    class Slow(Counting):
        async def passages(self, texts: Sequence[str]) -> list[list[float]]:
            if not self.texts:
                await base.add_text("ill", ILL)
            return await super().passages(texts)

    renamed = KnowledgeBase(base.store, Slow("another"))
    assert await renamed.embed() == 2
    assert texts(await renamed.search("When do we settle bills?")) == [PAY]

    class Restless(Counting):
        async def passages(self, texts: Sequence[str]) -> list[list[float]]:
            await renamed.add_text("busy", f"{PAY} {self.texts}")
            return await super().passages(texts)

    with pytest.raises(Conflict, match="when it is quiet"):
        await KnowledgeBase(base.store, Restless("third")).embed()


async def test_two_processes_share_the_file(base: KnowledgeBase, tmp_path: Path) -> None:
    other = KnowledgeBase(SqlitePassageStore(tmp_path / FILE), Counting())
    await base.add_text("pay", PAY)
    assert texts(await other.search("invoices")) == [PAY]
    await base.add_text("pay", ILL)
    assert texts(await other.search("Who do I tell that I am ill?")) == [ILL]
    assert await base.drop("default")
    await base.add_text("new", PAY)
    assert texts(await other.search("Who do I tell that I am ill?")) == []
    assert texts(await other.search("When do we settle bills?")) == [PAY]
    await other.close()


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos:
            added = await aos.knowledge.add_text("pay", PAY)
            assert added.changed is (turn == 0)
            assert texts(await aos.knowledge.search("invoices")) == [PAY]
    assert (tmp_path / FILE).is_file()


async def test_a_system_that_never_asks_makes_no_file(tmp_path: Path) -> None:
    aos = AgentOperatingSystem(AOSConfig(data_dir=tmp_path))
    with pytest.raises(ConfigurationError, match="not initialized"):
        _ = aos.knowledge
    async with aos:
        assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("name", ["nobody/x", "openai", "anthropic/claude"])
async def test_an_unknown_embedder_is_named_and_makes_no_file(tmp_path: Path, name: str) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path, embedding_model=name)) as aos:
        with pytest.raises(UnknownModel, match=name):
            _ = aos.knowledge
        assert not (tmp_path / FILE).exists()


async def test_the_loop_goes_on_while_a_large_document_is_kept(base: KnowledgeBase) -> None:
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    parts = tuple(Part(text=f"{PAY} {number} " * 20) for number in range(500))
    added = await base.add("large", Readable(parts=parts))
    counter.cancel()
    assert added.passages >= 500
    assert rounds > 10
    scope = Scope(base.tenant, "default")
    assert len(await base.store.batch(scope, 0, 10_000)) == added.passages
