"""`Agent`: its names, its actions, and a memory that is in the commit, has a size, and makes room."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from AgentOperatingSystem import Action, Agent, AgentOperatingSystem, Memory, Retryable
from AgentOperatingSystem.agents import AgentTeam, BaseAgent
from AgentOperatingSystem.agents.memory import Knowledge, size_bytes
from AgentOperatingSystem.errors import ConfigurationError, EventFailed, InvalidInput, TooLarge
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.tools.function_tool import FunctionTool
from tests.unit.agents.minds import says, system, tell


class Depth(BaseModel):
    pages: Annotated[int, Field(ge=1, le=9)] = 1


class Librarian(Agent):
    """Keeps what it is told."""

    size: str | int = "1 KB"
    persistent = True
    stumbles = 0

    def __init__(self) -> None:
        super().__init__(name="The Librarian", version="2.1.0", model=ScriptedModel(says))
        self.memory = Memory(working_size=self.size, persistent=self.persistent)

    @Action("keep")
    async def keep(self, topic: str, content: Any, depth: Depth | None = None) -> int:
        """Keeps something.

        Args:
            topic: what it is about
        """
        self.memory.store_knowledge(topic, content)
        if self.stumbles:
            self.stumbles -= 1
            raise Retryable("once more", 0.01)
        return depth.pages if depth else 0

    @Action("find", "Finds what is known.")
    async def find(self, topic: str = "") -> list[str]:
        return [known.topic for known in await self.memory.query(topic)]

    @Action("both")
    async def both(self, topic: str) -> Any:
        self.memory.store_knowledge(topic, "first")
        self.memory.store_knowledge(topic, "second")
        return [known.content for known in await self.memory.query(topic)], await self.memory.size()

    @Action("plain-sum")
    def add(self, a: int, b: int = 1) -> int:
        return a + b


async def act(aos: AgentOperatingSystem, action: str, /, **data: Any) -> Any:
    return await tell(aos, "librarian", data, type=f"action.{action}")


# --- actions --------------------------------------------------------------------------------------------------------


async def test_actions_run_with_checked_input_and_models_for_objects(tmp_path: Path) -> None:
    async with system(tmp_path, Librarian) as aos:
        assert await act(aos, "keep", topic="a", content=1, depth={"pages": 3}) == 3
        assert await act(aos, "plain-sum", a=2) == 3
        assert await tell(aos, "librarian", None, type="action.find") == ["a"]
        for wrong, why in (({"pages": 10}, "depth.pages"), (7, "depth: ")):
            with pytest.raises(EventFailed, match=why):
                await act(aos, "keep", topic="a", content=1, depth=wrong)
        with pytest.raises(EventFailed, match="no action 'burn'; there are keep, find, both, plain-sum"):
            await act(aos, "burn")


def test_an_action_has_a_schema_and_a_description() -> None:
    keep, find = (Librarian.declared_actions[name] for name in ("keep", "find"))
    assert (keep.type, keep.description, find.description) == (
        "action.keep",
        "Keeps something.",
        "Finds what is known.",
    )
    assert keep.parameters["required"] == ["topic", "content"]
    assert keep.parameters["properties"]["topic"] == {"description": "what it is about", "type": "string"}


async def test_an_action_is_still_a_method_and_may_be_overridden(tmp_path: Path) -> None:
    class Loud(Librarian):
        name = "librarian"

        def add(self, a: int, b: int = 10) -> int:
            return super().add(a, b)

    assert Loud().add(1) == 11
    async with system(tmp_path, Loud) as aos:
        assert await act(aos, "plain-sum", a=1) == 11


async def test_what_is_wrong_with_an_action_is_said_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="letters, digits"):
        Action("two words")
    with pytest.raises(ConfigurationError, match="two actions are named 'keep'"):
        type("Twice", (Librarian,), {"again": Action("keep")(lambda self: None)})

    class Untyped(Agent):
        @Action("guess")
        async def guess(self, what) -> None:  # type: ignore[no-untyped-def]  # that is the mistake
            pass

    async with system(tmp_path) as aos:
        with pytest.raises(ConfigurationError, match="action guess: parameter 'what' needs a type hint"):
            await aos.register_agent(Untyped)


class Buyer(Agent):
    """Buys, and stumbles before it is done."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self.errors = list(errors)
        self.register_tool(self.buy)
        self.register_tool(FunctionTool(self.look, effect="pure"))

    async def buy(self, what: Depth, idempotency_key: str, count: int = 1) -> tuple[int, int]:
        """Buys."""
        self.calls.append(idempotency_key)
        if self.errors:
            raise self.errors.pop(0)
        return what.pages, count

    def look(self) -> str:
        """Looks."""
        self.calls.append("look")
        return "7"

    @Action("shop")
    async def shop(self, stumbles: bool) -> Any:
        bought = await self.tools.buy(Depth(pages=2), count=3)
        seen = await self.tools["look"]()
        if stumbles and self.calls.count("look") and not hasattr(self, "stumbled"):
            self.stumbled = True
            raise Retryable("once more", 0.01)
        return [bought, seen]


async def test_a_call_by_attribute_is_a_step_that_a_retry_reads_back(tmp_path: Path) -> None:
    async with system(tmp_path, buyer := Buyer()) as aos:
        assert await tell(aos, "buyer", {"stumbles": True}, type="action.shop") == [[2, 3], "7"]
    key, *others = buyer.calls
    assert key
    assert others == ["look"]


async def test_what_a_tool_raises_is_the_actions_and_a_retry_calls_it_again(tmp_path: Path) -> None:
    async with system(tmp_path, buyer := Buyer(Retryable("busy", 0.01))) as aos:
        assert await tell(aos, "buyer", {"stumbles": False}, type="action.shop") == [[2, 3], "7"]
    assert buyer.calls[0] == buyer.calls[1]
    assert len(buyer.calls) == 3


async def test_outside_of_a_turn_it_is_just_the_call() -> None:
    buyer = Buyer()
    assert await buyer.tools.buy(Depth(pages=1)) == (1, 1)
    assert (await buyer.tools.buy.call({"what": {"pages": 0}})).is_error
    with pytest.raises(InvalidInput, match="unexpected"):
        await buyer.tools.look(colour="red")
    assert (
        [each.record.name for each in buyer.tools]
        == ["buy", "look"]
        == [buyer.tools[n].record.name for n in ("buy", "look")]
    )


# --- the memory -----------------------------------------------------------------------------------------------------


async def test_knowledge_is_in_the_events_commit_and_survives_a_restart(tmp_path: Path) -> None:
    class Stumbling(Librarian):
        name = "librarian"
        stumbles = 2

    async with system(tmp_path, Stumbling) as aos:
        await act(aos, "keep", topic="trees", content={"oak": 1})
        version = (await aos.agents()).items[0].version
        await act(aos, "keep", topic="stones", content=[2])
        assert (await aos.agents()).items[0].version == version + 1
    agent = Librarian()
    async with system(tmp_path, agent):
        assert await agent.memory.query("trees") == [Knowledge("trees", {"oak": 1})]
        assert [known.topic for known in await agent.memory.query()] == ["stones", "trees"]
        assert await agent.memory.size() == len('trees{"oak":1}stones[2]')


async def test_a_failed_try_has_stored_nothing(tmp_path: Path) -> None:
    class Diarist(Agent):
        tries = 0

        @Action("note")
        async def note(self) -> None:
            self.tries += 1
            self.memory.store_knowledge(f"try {self.tries}", self.tries)
            if self.tries < 3:
                raise Retryable("once more", 0.01)

    diarist = Diarist()
    async with system(tmp_path, diarist) as aos:
        await tell(aos, "diarist", None, type="action.note")
        assert await diarist.memory.query() == [Knowledge("try 3", 3)]


async def test_the_size_is_kept_and_the_oldest_makes_room(tmp_path: Path) -> None:
    async with system(tmp_path, Librarian) as aos:
        for number in range(30):
            await act(aos, "keep", topic=f"t{number:02d}", content="x" * 97)  # 102 bytes each
        await act(aos, "keep", topic="t22", content="y" * 97)  # stored anew, so it is the newest
        await act(aos, "keep", topic="t30", content="x" * 97)
        server = aos.context_server("librarian")
        kept = [each["topic"] for each in (await server.recall_prefix("knowledge/", 100)).values()]
        order = [each["topic"] for each in (await server.recall_prefix("knowledge.order/", 100)).values()]
        assert (await server.recall("knowledge.ledger"))["size"] == 9 * 102
    assert order == ["t30", "t22", "t29", "t28", "t27", "t26", "t25", "t24", "t23"]
    assert sorted(kept) == sorted(order)


async def test_what_one_handling_stores_it_finds_and_the_last_word_counts(tmp_path: Path) -> None:
    async with system(tmp_path, Librarian) as aos:
        assert await act(aos, "both", topic="a") == [["second"], len('a"second"')]
        assert await act(aos, "both", topic="a") == [["second"], len('a"second"')]


async def test_a_query_prefers_the_topic_itself_then_shared_words(tmp_path: Path) -> None:
    async with system(tmp_path, Librarian) as aos:
        for topic in ("Durable agents", "agents", "durable agents in Azure", "trees"):
            await act(aos, "keep", topic=topic, content=0)
        assert await act(aos, "find", topic="agents") == ["agents", "durable agents in Azure", "Durable agents"]
        assert await act(aos, "find", topic="durable AGENTS") == ["durable agents in Azure", "Durable agents", "agents"]
        assert await act(aos, "find", topic="stones") == []


async def test_a_memory_that_is_not_persistent_is_gone_with_its_agent(tmp_path: Path) -> None:
    class Forgetful(Librarian):
        name = "librarian"
        persistent = False

    async with system(tmp_path, Forgetful) as aos:
        for number in range(30):
            await act(aos, "keep", topic=f"t{number:02d}", content="x" * 97)
        assert await act(aos, "find") == ["t29", "t28", "t27", "t26", "t25"]
        assert await aos.context_server("librarian").recall_prefix("knowledge", 10) == {}
    async with system(tmp_path, Forgetful) as aos:
        assert await act(aos, "find") == []


async def test_outside_of_an_event_it_is_written_with_the_state(tmp_path: Path) -> None:
    agent = Librarian()
    async with system(tmp_path, agent) as aos:
        await agent.keep("trees", "oak")
        await agent.save_state()
        assert await act(aos, "find", topic="trees") == ["trees"]


async def test_instances_of_a_class_have_a_memory_each(tmp_path: Path) -> None:
    async with system(tmp_path, Librarian) as aos:
        for key in ("a", "b"):
            await tell(aos, f"librarian/{key}", {"topic": key, "content": key}, type="action.keep")
        assert await tell(aos, "librarian/a", {}, type="action.find") == ["a"]


async def test_what_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    memory = Librarian().memory
    with pytest.raises(TooLarge, match="working_size is 1000"):
        memory.store_knowledge("a", "x" * 1000)
    for topic, content in (("", 1), ("  ", 1), ("a", object())):
        with pytest.raises(InvalidInput):
            memory.store_knowledge(topic, content)
    with pytest.raises(ConfigurationError, match="belongs to an agent"):
        await Memory().query("a")


@pytest.mark.parametrize(
    ("size", "count"),
    [("256MB", 256_000_000), ("64 KiB", 65536), ("2gb", 2 * 10**9), ("1 TiB", 1 << 40), ("7", 7), (12, 12), ("9B", 9)],
)
def test_sizes(size: str | int, count: int) -> None:
    assert size_bytes(size) == count


@pytest.mark.parametrize("size", ["", "MB", "-1", "1.5MB", "0", 0, -1, True, "1iB", None, "5 potatoes"])
def test_what_is_no_size(size: Any) -> None:
    with pytest.raises(ConfigurationError, match="working_size"):
        Memory(size)


# --- names, models, teams -------------------------------------------------------------------------------------------


async def test_any_name_will_do(tmp_path: Path) -> None:
    support = Agent("Customer Support!", "3.0", model=ScriptedModel(["Hello."]))
    assert (support.agent_id, support.name, support.version) == ("customer-support", "Customer Support!", "3.0")
    assert (Librarian().agent_id, Agent(agent_id="x", name="7 up").agent_id) == ("librarian", "x")
    assert isinstance(support, BaseAgent)
    async with system(tmp_path, support) as aos:
        assert await tell(aos, "customer-support", "Hi.") == "Hello."


async def test_it_speaks_in_a_team(tmp_path: Path) -> None:
    model = ScriptedModel(says)
    one = Agent("First Speaker", system_message="I am a.", model=model)
    two = Agent("7th", agent_id="two", system_message="I am b.", model=model)
    async with system(tmp_path, AgentTeam([one, two], turns_max=2, agent_id="t")) as aos:
        result = await tell(aos, "t", "Go.")
    assert [each["source"] for each in result["messages"]] == ["user", "First_Speaker", "_7th"]


async def test_a_tool_that_comes_later_is_seen_by_the_model(tmp_path: Path) -> None:
    def shout(text: str) -> str:
        return text.upper()

    agent = Agent("a", model=(model := ScriptedModel(["One.", "Two."])))
    async with system(tmp_path, agent) as aos:
        await tell(aos, "a", "1")
        agent.register_tool(shout)
        await tell(aos, "a", "2")
    assert [[tool.name for tool in request.tools] for request in model.requests] == [[], ["shout"]]
