"""`aos mcp` as the official client sees it: agents in a subprocess at the other end of a pipe."""

import asyncio
import itertools
import json
import logging
import sys
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from mcp.types import TextContent, TextResourceContents

APP = Path(__file__).with_name("mcp_stdio_app.py")
AOS = Path(sysconfig.get_path("scripts")) / "aos"


pytestmark = pytest.mark.asyncio(loop_scope="module")
_ids = itertools.count()


class Complaints(logging.Handler):
    """Keeps what the client's log says."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@pytest.fixture(scope="module")
def stderr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mcp") / "stderr"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["auto", "legacy"])
async def client(stderr: Path, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of this version of the protocol, then one of the older versions with their handshake."""
    connected, done = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold() -> None:  # in one task from beginning to end, as the client wants it
        data = stderr.with_name(request.param)
        server = StdioServerParameters(
            command=sys.executable,
            args=["-W", "error", str(AOS), "mcp", "--app", str(APP), "--data", str(data)],
            env={"AOS_DRAIN_TIMEOUT_SECONDS": "0"},
        )
        with stderr.open("a") as errors:
            async with Client(stdio_client(server, errlog=errors), mode=request.param) as client:
                connected.set_result(client)
                await done.wait()

    complaints = Complaints()
    logging.getLogger("mcp.client.stdio").addHandler(complaints)
    holding = asyncio.create_task(hold())
    await asyncio.wait({connected, holding}, return_when=asyncio.FIRST_COMPLETED)
    yield connected.result()
    done.set()
    await holding
    assert complaints.messages == [], "something that is no message ran into the wire"


@pytest.fixture
def agent() -> str:
    """An address of the test's own."""
    return f"counter/{next(_ids)}"


async def call(client: Client, tool: str, **arguments: Any) -> Any:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    assert isinstance(answer.content[0], TextContent)
    return answer.content[0].text.removeprefix(f"Error executing tool {tool}: ")


async def read(client: Client, uri: str) -> Any:
    (content,) = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_what_is_offered(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"list_agents", "recall", "remember", "run_action", "send_event"}
    assert tools["send_event"].input_schema["required"] == ["type"]
    templates = {each.uri_template for each in (await client.list_resource_templates()).resource_templates}
    assert templates == {
        "aos://agents/{name}/state{?key}",
        "aos://agents/{name}/history{?key,after,limit}",
        "aos://agents/{name}/memory{?key,prefix,limit}",
    }
    assert [str(each.uri) for each in (await client.list_resources()).resources] == ["aos://agents"]


async def test_an_event_is_sent_and_its_effects_are_read(client: Client, agent: str) -> None:
    agent = f"{agent}/b c"
    key = quote(agent.partition("/")[2], safe="")
    sent = await call(client, "send_event", agent=agent, type="add", data={"n": 1}, id="1", wait_seconds=20)
    assert sent == {"agent": agent, "source": "/mcp", "id": "1", "status": "done", "result": 1}
    again = await call(client, "send_event", agent=agent, type="add", data={"n": 1}, id="1", wait_seconds=20)
    assert again == sent, "the same id twice is applied once"
    assert await read(client, f"aos://agents/counter/state?key={key}") == {"count": 1}
    assert await read(client, f"aos://agents/counter/memory?key={key}") == {"memory": {"event:1": {"n": 1}}}
    history = await read(client, f"aos://agents/counter/history?key={key}")
    assert [(event["id"], event["status"], event["result"]) for event in history["events"]] == [("1", "done", 1)]


async def test_an_event_without_an_agent_is_routed(client: Client) -> None:
    sent = await call(client, "send_event", type="routed.x", data="", wait_seconds=20)
    assert (sent["agent"], sent["result"]) == ("counter", 1)
    assert await read(client, "aos://agents/counter/state") == {"count": 1}
    assert await call(client, "recall", agent="counter", prefix="event:") == {"memory": {f"event:{sent['id']}": ""}}


async def test_an_event_that_takes_longer_is_accepted(client: Client, agent: str) -> None:
    sent = await call(client, "send_event", agent=agent, type="slow", wait_seconds=0.1)
    assert (sent["status"], sent["note"]) == ("accepted", "no result within 0.1 s; it will be handled")
    assert (await call(client, "send_event", agent=agent, type="slow"))["status"] == "accepted"


async def test_an_agent_is_told_to_remember_and_recalls(client: Client, agent: str) -> None:
    told = await call(client, "remember", agent=agent, key="note:1", value=["x", None])
    assert told == {"agent": agent, "remembered": "note:1"}
    await call(client, "remember", agent=agent, key="note:2", value=2)
    assert await call(client, "recall", agent=agent, key="note:1") == {"key": "note:1", "value": ["x", None]}
    assert await call(client, "recall", agent=agent, key="note:3") == {"key": "note:3", "value": None}
    found = await call(client, "recall", agent=agent, prefix="note:")
    assert found == {"memory": {"note:1": ["x", None], "note:2": 2}}
    assert await call(client, "recall", agent=agent, prefix="note:", limit=1) == {"memory": {"note:1": ["x", None]}}


async def test_agents_are_listed_in_pages(client: Client, agent: str) -> None:
    agents = [f"{agent}{letter}" for letter in "abc"]
    for each in agents:
        await call(client, "send_event", agent=each, type="add", wait_seconds=20)
    first = await call(client, "list_agents", prefix=agent, limit=2)
    rest = await call(client, "list_agents", prefix=agent, limit=2, after=first["after"])
    assert [each["agent"] for each in first["agents"] + rest["agents"]] == agents
    assert first["agents"][0]["events_handled"] == 1
    assert rest["after"] == ""
    counter = {"name": "counter", "about": "Counts what it is told.", "capabilities": ["counting"], "actions": {}}
    assert first["types"] == [counter]
    assert (await read(client, "aos://agents"))["types"] == first["types"]


async def test_answers_are_bounded(client: Client, agent: str) -> None:
    key = agent.partition("/")[2]
    await call(client, "send_event", agent=agent, type="large", data=1_100_000, wait_seconds=20)
    with pytest.raises(MCPError, match=rf"too-large: the state of {agent} has 11000\d\d bytes; at most 1048576"):
        await read(client, f"aos://agents/counter/state?key={key}")
    await call(client, "remember", agent=agent, key="k", value="y" * 10_000)
    memory = await read(client, f"aos://agents/counter/memory?key={key}&prefix=k")
    assert memory == {"memory": {"k": {"omitted_bytes": 10_002}}}
    message = await refusal(client, "remember", agent=agent, key="k", value="y" * 1_100_000)
    assert message == "too-large: the value of 'k' has 1100002 bytes; at most 1048576 go over this protocol"
    await call(client, "send_event", agent=agent, type="add", id="last", wait_seconds=20)
    first = await read(client, f"aos://agents/counter/history?key={key}&limit=1")
    rest = await read(client, f"aos://agents/counter/history?key={key}&after={first['after']}")
    assert ([len(first["events"]), first["events"][0]["type"]], rest["events"][0]["id"]) == ([1, "large"], "last")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": "nobody", "type": "add"}, "unknown-agent: no agent is registered as 'nobody'; registered: counter"),
        ({"agent": "no body", "type": "add"}, "invalid-agent-id: agent name 'no body': use 1 to 64 letters"),
        ({"agent": "counter", "type": ""}, "invalid-event: event type '': needs 1 to 1024 characters"),
        ({"agent": "counter", "type": "wrong", "id": "9", "wait_seconds": 9}, "event-failed: event '9' is failed: "),
    ],
)
async def test_a_tool_says_what_is_wrong(client: Client, arguments: dict[str, Any], message: str) -> None:
    assert (await refusal(client, "send_event", **arguments)).startswith(message)


async def test_wrong_tools_and_resources_are_refused(client: Client) -> None:
    assert "unknown-agent" in await refusal(client, "remember", agent="nobody", key="k", value=1)
    assert "invalid-input: limit is 0" in await refusal(client, "list_agents", limit=0)
    with pytest.raises(MCPError, match="unknown-agent: counter/x has never been woken"):
        await read(client, "aos://agents/counter/state?key=x")
    with pytest.raises(MCPError, match="unknown-agent: no agent is registered as 'nobody'"):
        await read(client, "aos://agents/nobody/state")
    with pytest.raises(MCPError):
        await read(client, "aos://nothing")


async def test_the_log_goes_to_standard_error(client: Client, agent: str, stderr: Path) -> None:
    await refusal(client, "send_event", agent=agent, type="wrong", wait_seconds=20)
    written = await asyncio.to_thread(stderr.read_text)
    assert "printed by a handler" in written
    assert "this cannot be counted" in written
    assert "Traceback" not in written
