"""The librarian: keeps what it is sent, answers with citations that are there, and says when it does not know."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import KnowledgeAgent
from AgentOperatingSystem.errors import ConfigurationError, EventFailed
from AgentOperatingSystem.knowledge.running import knowledge_of
from AgentOperatingSystem.ml import ModelRequest, ScriptedModel

HANDBOOK = "Invoices are paid within ten days.\n\nHolidays are asked for with the team leader, a month before."


@pytest.fixture
async def aos(tmp_path: Path) -> AsyncIterator[AgentOperatingSystem]:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path / "data")) as system:
        yield system


async def tell(aos: AgentOperatingSystem, data: Any, type: str = "ask", **fields: Any) -> Any:
    return await aos.process_event({"agent": "librarian", "type": type, "data": data, **fields}, 20)


async def librarian(aos: AgentOperatingSystem, *answers: Any, **named: Any) -> KnowledgeAgent:
    model = ScriptedModel(list(answers)) if answers else ""
    agent = KnowledgeAgent("librarian", model=model, **named)
    await aos.register_agent(agent)
    return agent


async def test_it_answers_with_citations_of_stored_passages(aos: AgentOperatingSystem) -> None:
    await librarian(aos, "Within ten days [1].")
    added = await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    assert (added["source"], added["changed"]) == ("handbook", True)
    told = await tell(aos, "When are invoices paid?")
    assert (told["answer"], told["known"], told["invented"]) == ("Within ten days [1].", True, [])
    (cited,) = told["citations"]
    assert (cited["number"], cited["source"]) == (1, "handbook")
    kept = await aos.knowledge.passage(cited["id"])
    assert HANDBOOK[cited["start"] : cited["stop"]] == kept.text == cited["text"]


async def test_the_model_sees_the_question_and_numbered_passages(aos: AgentOperatingSystem) -> None:
    seen: list[dict[str, Any]] = []

    def model(request: ModelRequest) -> str:
        seen.append(msgspec.json.decode(request.messages[-1].text))
        return "I do not know."

    await aos.register_agent(KnowledgeAgent("librarian", model=ScriptedModel(model)))
    await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    told = await tell(aos, "When are invoices paid?")
    assert (told["known"], told["citations"]) == (False, [])
    assert seen[0]["question"] == "When are invoices paid?"
    assert [each["number"] for each in seen[0]["passages"]] == [1]


async def test_citations_that_the_model_invents_are_removed_and_reported(aos: AgentOperatingSystem) -> None:
    await librarian(aos, "Within ten days [1, 9], says the law [7].")
    await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    told = await tell(aos, "When are invoices paid?")
    assert told["answer"] == "Within ten days [1], says the law."
    assert told["invented"] == [9, 7]
    assert [each["number"] for each in told["citations"]] == [1]


async def test_where_nothing_is_found_it_does_not_know_and_asks_no_model(aos: AgentOperatingSystem) -> None:
    await librarian(aos, "never said")
    assert (await tell(aos, "Who won the cup?"))["known"] is False
    await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    told = await tell(aos, "Which mushrooms are edible?")
    assert (told["known"], told["citations"], told["passages"]) == (False, [], [])
    assert told["answer"].startswith("I do not know")


async def test_without_a_model_it_gives_the_passages_and_says_so(aos: AgentOperatingSystem) -> None:
    await librarian(aos)
    await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    told = await tell(aos, "When are invoices paid?")
    assert "No model is configured" in told["answer"]
    assert "[1] Invoices are paid" in told["answer"]
    assert told["citations"] == told["passages"]


async def test_a_document_that_comes_again_is_kept_once(aos: AgentOperatingSystem) -> None:
    await librarian(aos)
    for again in (True, False):
        added = await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
        assert added["changed"] is again
    (entry,) = (await aos.knowledge.entries()).items
    assert entry.source == "handbook"


async def test_it_reads_bytes_and_files_of_its_folder_alone(aos: AgentOperatingSystem, tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "rules.md").write_text("# Rules\n\n## Lunch\n\nLunch is at noon.")
    (tmp_path / "secret.txt").write_text("the key is 1234")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    await librarian(aos, folder=folder)
    await tell(aos, {"path": "rules.md"}, "knowledge.ingest")
    content = base64.b64encode(b"# Tea\n\nTea is at five.").decode()
    await tell(aos, {"source": "tea", "content": content, "name": "tea.md"}, "knowledge.ingest")
    told = await tell(aos, "When is lunch?")
    assert (told["citations"][0]["source"], told["citations"][0]["heading"]) == ("rules.md", "Rules > Lunch")
    for path in ("../secret.txt", str(tmp_path / "secret.txt"), "link.txt", "nothing.md"):
        with pytest.raises(EventFailed, match=r"leads out|no file"):
            await tell(aos, {"path": path}, "knowledge.ingest")
    assert [each.source for each in (await aos.knowledge.entries()).items] == ["rules.md", "tea"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"source": "a"}, "exactly one"),
        ({"source": "a", "text": "x", "url": "https://example.org"}, "exactly one"),
        ({"text": "x"}, "give the document a name"),
        ({"source": "a", "content": "not base64!"}, "not base64"),
        ({"source": "a", "txt": "x"}, "unknown field"),
        ({"source": "a", "text": " \n "}, "no text"),
        ({"path": "rules.md"}, "no files are read"),
        ({"url": "http://127.0.0.1/x"}, "127.0.0.1|refused|https"),
        ("just text", "does not fit"),
    ],
)
async def test_what_it_cannot_keep_is_refused_in_words(aos: AgentOperatingSystem, data: Any, why: str) -> None:
    await librarian(aos)
    with pytest.raises(EventFailed, match=why):
        await tell(aos, data, "knowledge.ingest")


async def test_documents_are_removed_by_an_event(aos: AgentOperatingSystem) -> None:
    await librarian(aos)
    for name in ("docs/a", "docs/b", "c"):
        await tell(aos, {"source": name, "text": f"{name}: {HANDBOOK}"}, "knowledge.ingest")
    assert await tell(aos, {"sources": ["docs/*"]}, "knowledge.remove") == {"removed": ["docs/a", "docs/b"]}
    assert {each["source"] for each in (await tell(aos, "When are invoices paid?"))["citations"]} == {"c"}
    assert await tell(aos, {"everything": True}, "knowledge.remove") == {"removed": ["c"]}
    assert (await tell(aos, "When are invoices paid?"))["known"] is False


async def test_each_agent_has_its_collection_and_a_question_its_sources(aos: AgentOperatingSystem) -> None:
    await librarian(aos, collection="law")
    await aos.knowledge.add_text("elsewhere", HANDBOOK)
    for name in ("old", "new"):
        await tell(aos, {"source": name, "text": f"{name}. {HANDBOOK}"}, "knowledge.ingest")
    told = await tell(aos, {"question": "When are invoices paid?", "sources": ["new"], "limit": 3})
    assert [(each["collection"], each["source"]) for each in told["citations"]] == [("law", "new")]


async def test_in_a_team_it_searches_with_a_tool(aos: AgentOperatingSystem) -> None:
    agent = await librarian(aos)
    await tell(aos, {"source": "handbook", "text": HANDBOOK}, "knowledge.ingest")
    (tool,) = agent.spec().tools
    told = await tool.call({"question": "When are invoices paid?"})
    assert not told.is_error
    assert "ten days" in told.content


def test_without_a_running_system_there_is_no_knowledge_base() -> None:
    with pytest.raises(ConfigurationError, match="initialize one first"):
        knowledge_of("default")
