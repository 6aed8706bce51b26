"""The specification's rows 6, 118, 135 to 137 and 266: the SDK's `ResearchAgent`, as it is printed there.

The specification names its package `systemprompt_os`; here that name stands for `AgentOperatingSystem`.
"""

import ipaddress
import json
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import AgentOperatingSystem
from AgentOperatingSystem import Agent, Memory, Tool
from AgentOperatingSystem.errors import ConfigurationError, EventFailed, UnknownTool
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.tools.documents.analyzer import DocumentAnalyzer
from AgentOperatingSystem.tools.web.fetching import Fetcher
from AgentOperatingSystem.tools.web.policy import WebPolicy
from AgentOperatingSystem.tools.web.search.tool import SearchSettings, WebSearchTool
from tests.loopback import Answer, Asked, Server, serving
from tests.spec.systems import Execute, system

PAGE = b"<html><title>Durable agents</title><p>An event is applied exactly once.</p></html>"


class Web:
    """A search provider and the page that it finds, on loopback."""

    def __init__(self) -> None:
        self.server = Server()

    def __call__(self, asked: Asked) -> Answer:
        if asked.target.startswith("/search"):
            results = [{"title": "Durable agents", "url": f"{self.server.url}/page", "content": "About agents"}]
            return Answer(body=json.dumps({"results": results}).encode())
        return Answer(headers={"Content-Type": "text/html"}, body=PAGE)

    @property
    def asked(self) -> list[str]:
        queries = (parse_qs(urlsplit(asked.target).query) for asked in self.server.asked)
        return [query["q"][0] for query in queries if "q" in query]

    def policy(self) -> WebPolicy:
        return WebPolicy(
            schemes=frozenset({"http"}),
            ports=frozenset({self.server.port}),
            networks_allowed=(ipaddress.ip_network("127.0.0.0/8"),),
        )


@pytest.fixture
async def web(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Web]:
    monkeypatch.setitem(sys.modules, "systemprompt_os", AgentOperatingSystem)
    made = Web()
    async with serving(made) as server:
        made.server = server
        yield made


async def research_agent(execute: Execute, web: Web) -> type[Agent]:
    """The class that the specification's text defines."""
    settings = SearchSettings(provider="searxng", url=web.server.url)
    names = await execute(
        "research_agent",
        WebSearchTool=partial(WebSearchTool, settings),
        DocumentAnalyzer=partial(DocumentAnalyzer, Fetcher(web.policy())),
    )
    kind: type[Agent] = names["ResearchAgent"]
    return kind


def act(topic: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "action.analyze_topic", "agent": "research_agent", "data": topic, **fields}


async def test_row_266_the_snippets_agent_searches_analyses_and_remembers(
    execute: Execute, web: Web, tmp_path: Path
) -> None:
    kind = await research_agent(execute, web)
    async with system(tmp_path, kind) as aos:
        analysis = await aos.process_event(act({"topic": "durable agents"}))
    assert analysis[0]["title"] == "Durable agents"
    assert "An event is applied exactly once." in analysis[0]["passages"][0]["text"]
    assert web.asked == ["durable agents"]
    agent = kind()
    async with system(tmp_path, agent):
        (known,) = await agent.memory.query("durable agents")
        assert (known.topic, known.content) == ("durable agents", analysis)


async def test_row_266_other_events_are_answered_by_the_model_with_the_agents_tools(
    execute: Execute, web: Web, tmp_path: Path
) -> None:
    agent = (await research_agent(execute, web))()
    agent.model = model = ScriptedModel([ToolCall("1", "web_search", {"query": "agents"}), "One page."])
    async with system(tmp_path, agent) as aos:
        assert await aos.process_event({"type": "asked", "agent": "research_agent", "data": "?"}) == "One page."
    assert [each.name for each in model.requests[0].tools] == ["web_search", "analyze_documents"]
    assert "Durable agents" in model.requests[1].messages[-1].text


async def test_row_6_it_has_an_id_a_name_and_a_version(execute: Execute, web: Web) -> None:
    agent = (await research_agent(execute, web))()
    assert (agent.agent_id, agent.name, agent.version) == ("research_agent", "Research Assistant", "1.0.0")


async def test_row_118_the_snippets_memory_has_its_size_and_persists(execute: Execute, web: Web) -> None:
    memory: Memory = (await research_agent(execute, web))().memory
    assert (memory.working_size_bytes, memory.persistent) == (256_000_000, True)


async def test_row_135_a_tool_is_registered_once_by_class_or_function(execute: Execute, web: Web) -> None:
    class Shout(Tool):
        def run(self, text: str) -> str:
            return text.upper()

    def whisper(text: str) -> str:
        return text.lower()

    agent = (await research_agent(execute, web))()
    agent.register_tool(Shout())
    agent.register_tool(whisper)
    assert (await agent.tools.shout("a"), await agent.tools.whisper("B")) == ("A", "b")
    for again in (Shout(), whisper, WebSearchTool()):
        with pytest.raises(ConfigurationError, match="two tools are named"):
            agent.register_tool(again)


async def test_row_136_an_unknown_tool_raises(execute: Execute, web: Web) -> None:
    agent = (await research_agent(execute, web))()
    with pytest.raises(UnknownTool, match="no tool 'web_surf'; there are web_search, analyze_documents"):
        await agent.tools.web_surf("x")


async def test_row_137_the_action_is_exactly_once_checked_and_tracked(
    execute: Execute, web: Web, tmp_path: Path
) -> None:
    async with system(tmp_path, await research_agent(execute, web)) as aos:
        first = await aos.process_event(act({"topic": "agents"}, id="a-1"))
        assert await aos.process_event(act({"topic": "agents"}, id="a-1")) == first
        for wrong in ({}, {"topic": 7}, {"topic": "x", "depth": 1}, "agents"):
            with pytest.raises(EventFailed, match="analyze_topic"):
                await aos.process_event(act(wrong))
        rows = (await aos.context_server("research_agent").history(limit=10)).items
    assert web.asked == ["agents"]
    assert [row.status.value for row in rows] == ["done", *["quarantined"] * 4]
