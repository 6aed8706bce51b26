"""The MCP server in this process; tests/e2e/test_mcp_stdio.py has it at the other end of a pipe."""

import re
from pathlib import Path
from typing import Any

from mcp import Client

from AgentOperatingSystem import Action, Agent, AgentOperatingSystem, AOSConfig, BaseAgent, Context, Event
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.server import make_server


class Counter(BaseAgent):
    async def on_event(self, event: Event, context: Context) -> Any:
        self.state["count"] = self.state.get("count", 0) + 1
        return self.state["count"]


async def test_without_agents_it_reads_and_leaves_what_waits_to_a_host_that_has_them(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path)
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Counter)
        await aos.process_event({"type": "t", "agent": "counter"})
        await aos.lifecycle.control(AgentId("counter"), "pause")
        await aos.accept_event({"type": "t", "agent": "counter"})
    async with AgentOperatingSystem(config) as aos, Client(make_server(aos)) as client:
        (content,) = (await client.read_resource("aos://agents/counter/state")).contents
        assert content.text == '{"count":1}'  # type: ignore[union-attr]  # it is text
        refused = await client.call_tool("send_event", {"type": "t", "agent": "counter"})
        assert refused.is_error
        assert "configuration: no agents are loaded here: start with `aos mcp --app`" in str(refused.content[0])
    async with AgentOperatingSystem(config) as aos:
        await aos.register_agent(Counter)
        await aos.lifecycle.control(AgentId("counter"), "resume")
        assert await aos.process_event({"type": "t", "agent": "counter"}) == 3
        assert (await aos.quarantine.list("default")).items == ()


class Adder(Agent):
    @Action("add")
    async def add(self, a: int, b: int = 1) -> int:
        """Adds."""
        return a + b


async def test_actions_are_listed_and_run_with_checked_input(tmp_path: Path) -> None:
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos, Client(make_server(aos)) as client:
        await aos.register_agent(Adder)
        (kind,) = (await client.call_tool("list_agents", {})).structured_content["types"]
        assert (kind["actions"]["add"]["about"], kind["actions"]["add"]["input"]["required"]) == ("Adds.", ["a"])
        asked = {"agent": "adder", "action": "add", "input": {"a": 2}, "id": "k"}
        for _ in range(2):
            told = (await client.call_tool("run_action", asked)).structured_content
            assert told == {"agent": "adder", "source": "/mcp", "id": "k", "status": "done", "result": 3}
        for wrong, why in (({"input": {"a": "x"}}, "invalid-input: add: a"), ({"action": "sub"}, "not-found")):
            refused = await client.call_tool("run_action", asked | wrong | {"id": "other"})
            assert refused.is_error
            assert why in str(refused.content[0])
        assert len((await aos.context_server("adder").history()).items) == 1


async def test_the_page_names_every_tool_and_resource(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/mcp.md").read_text()
    async with AgentOperatingSystem(AOSConfig(data_dir=tmp_path)) as aos, Client(make_server(aos)) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        resources = [str(each.uri) for each in (await client.list_resources()).resources]
        templates = [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
    assert re.findall(r"^\| `([^`]+)`", page, re.MULTILINE) == [*resources, *templates, *sorted(tools)]
