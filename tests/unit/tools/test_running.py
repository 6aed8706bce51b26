"""The tools of the running system: which provider and which sandbox the configuration chooses."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from AgentOperatingSystem.agents import PerpetualAgent
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.tools.running import configured
from AgentOperatingSystem.tools.sandbox.azure import AzureSandboxes, SessionPool
from AgentOperatingSystem.tools.sandbox.running import sandboxes
from AgentOperatingSystem.tools.web.search.tool import SearchSettings, WebSearchTool, settings_of
from tests.loopback import Answer, Asked, serving

FOUND = {"results": [{"title": "Agents", "url": "https://a.example/", "content": "About agents"}]}
POOL = "http://127.0.0.1:9/pools/one"
KEY = "k" * 32


def searxng(asked: Asked) -> Answer:
    """An instance of SearXNG."""
    return Answer(body=json.dumps(FOUND).encode())


async def test_an_agent_is_written_before_the_system_and_searches_with_its_provider(tmp_path: Path) -> None:
    model = ScriptedModel([ToolCall("1", "web_search", {"query": "agents"}), "Found."])
    agent = PerpetualAgent(configured("web_search"), agent_id="clerk", model=model)
    async with serving(searxng) as server:
        config = AOSConfig(data_dir=tmp_path, search_provider="searxng", search_url=f"{server.url}/x")
        async with AgentOperatingSystem(config) as aos:
            await aos.register_agent(agent)
            assert await aos.process_event({"type": "t", "agent": "clerk", "data": "Search."}) == "Found."
    asked = urlsplit(server.asked[0].target)
    assert (asked.path, parse_qs(asked.query)["q"]) == ("/x/search", ["agents"])
    assert "https://a.example/" in model.requests[1].messages[-1].text


async def test_a_tool_follows_the_system_that_runs_and_a_given_provider_stays(tmp_path: Path) -> None:
    follows = WebSearchTool()
    async with serving(searxng) as one, serving(searxng) as two:
        stays = WebSearchTool(SearchSettings(provider="searxng", url=one.url))
        for number, server in enumerate((one, two)):
            config = AOSConfig(data_dir=tmp_path / str(number), search_provider="searxng", search_url=server.url)
            async with AgentOperatingSystem(config):
                assert (await follows("agents"))[0]["title"] == "Agents"
                assert await stays("agents")
        assert (len(one.asked), len(two.asked)) == (3, 1)


def test_every_setting_of_a_search_reaches_it() -> None:
    assert settings_of(AOSConfig()) == SearchSettings()
    config = AOSConfig(search_provider="brave", search_api_key="the-key")
    assert settings_of(config) == SearchSettings(provider="brave", key="the-key")
    assert "the-key" not in repr(config)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"search_provider": "brave"}, "search_provider 'brave' needs search_api_key"),
        ({"search_provider": "tavily"}, "search_provider 'tavily' needs search_api_key"),
        ({"search_provider": "searxng"}, "search_provider 'searxng' needs search_url"),
        ({"search_provider": "altavista"}, "search_provider"),
        ({"session_pool_endpoint": POOL}, "session_pool_endpoint needs session_pool_key"),
    ],
)
def test_what_a_provider_needs_is_asked_for_at_once(settings: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        AOSConfig(**settings)


@pytest.mark.parametrize(
    ("endpoint", "key", "why"), [(POOL, "k" * 31, "at least 32"), ("http://pool.example/x", KEY, "must be https")]
)
def test_a_pool_that_is_none_is_refused_before_anything_starts(endpoint: str, key: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        AgentOperatingSystem(AOSConfig(session_pool_endpoint=endpoint, session_pool_key=key))


async def test_programs_run_in_the_pool_while_its_system_runs(tmp_path: Path) -> None:
    here = sandboxes()
    config = AOSConfig(data_dir=tmp_path, session_pool_endpoint=POOL, session_pool_key=KEY)
    async with AgentOperatingSystem(config):
        assert isinstance(sandboxes(), AzureSandboxes)
    assert sandboxes() is here


class Signed:
    """A credential."""

    token = "a.token"

    async def get_token(self, *scopes: str) -> "Signed":
        return self


@pytest.mark.parametrize("status", [204, 503])
async def test_each_run_has_a_session_of_its_own_which_is_deleted(status: int) -> None:
    async with serving(lambda asked: Answer(status)) as server:
        pool = AzureSandboxes(SessionPool(endpoint=server.url, key=KEY.encode()), Signed())
        for run in ("1", "2"):
            async with pool.open(AgentId("ceo"), run):
                pass
        await pool.close()
    names = {parse_qs(urlsplit(asked.target).query)["identifier"][0] for asked in server.asked}
    assert ([asked.method for asked in server.asked], len(names)) == (["DELETE", "DELETE"], 2)


def test_all_of_them_or_those_that_are_named() -> None:
    names = ["web_search", "web_page", "analyze_documents", "run_python"]
    assert [each.record.name for each in configured()] == names
    assert [each.record.name for each in configured("web_page", "web_search")] == ["web_page", "web_search"]
    with pytest.raises(ConfigurationError, match="no configured tool 'rm'; there are web_search, web_page"):
        configured("rm")
