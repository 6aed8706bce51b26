"""CoderAgent: it writes, runs, corrects, and says what came of it; alone and in a team."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from autogen_agentchat.conditions import TextMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat

from AgentOperatingSystem.agents import AgentTeam, CoderAgent, PerpetualAgent, conditions
from AgentOperatingSystem.agents.coder_agent import TASKS_KEPT
from AgentOperatingSystem.errors import ConfigurationError, EventFailed, RateLimited, SandboxUnavailable
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest
from AgentOperatingSystem.ml.scripted import Answer, ScriptedModel
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from AgentOperatingSystem.tools.sandbox.records import SandboxResult
from tests.cages import skip_without_sandbox
from tests.unit.agents.minds import system, tell

WRONG = "print(sum(range(10))"
RIGHT = "print(sum(range(10)))\nresult = 45\nopen('sum.txt', 'w').write('45')"


@pytest.fixture
async def sandbox() -> LocalSandbox:
    made = LocalSandbox()
    try:
        await made.check()
    except SandboxUnavailable as error:
        skip_without_sandbox(error)
    return made


class NoSandbox:
    """Where nothing can be isolated; nothing must ever run."""

    async def run(self, code: str, **limits: Any) -> SandboxResult:
        raise SandboxUnavailable("sandbox: no user namespaces")


class Counting:
    """A sandbox that counts what it ran."""

    def __init__(self, sandbox: LocalSandbox) -> None:
        self.runs = 0
        self._sandbox = sandbox

    async def run(self, code: str, **limits: Any) -> SandboxResult:
        self.runs += 1
        return await self._sandbox.run(code, **limits)


def runs(code: str, number: int = 1) -> ToolCall:
    return ToolCall(str(number), "run_python", {"code": code})


def coder(answers: Any, sandbox: Any, **named: Any) -> CoderAgent:
    return CoderAgent(agent_id="coder", model=ScriptedModel(answers), sandbox=sandbox, **named)


async def state_of(aos: Any) -> Any:
    return await aos.context_server("coder").load_state()


async def test_it_corrects_its_program_and_answers_with_code_output_and_files(
    tmp_path: Path, sandbox: LocalSandbox
) -> None:
    agent = coder([runs(WRONG), runs(RIGHT, 2), "The sum is 45."], sandbox)
    async with system(tmp_path, agent) as aos:
        told = await tell(aos, "coder", "Add 0 to 9.")
    assert told == {
        "task": "Add 0 to 9.",
        "ok": True,
        "code": RIGHT,
        "output": "45\n",
        "result": 45,
        "files": [{"name": "sum.txt", "size_bytes": 2, "text": "45"}],
        "error": "",
        "rounds": 2,
        "text": "The sum is 45.",
    }
    seen = agent.model.requests[1].messages[-1]  # type: ignore[union-attr]  # it is the scripted one
    assert seen.failed
    assert "SyntaxError" in seen.text


async def test_a_program_that_never_succeeds_is_no_success(tmp_path: Path, sandbox: LocalSandbox) -> None:
    def stubborn(request: ModelRequest) -> Answer:
        return runs(f"raise ValueError('try {len(request.messages)}')", len(request.messages))

    async with system(tmp_path, coder(stubborn, sandbox, rounds_max=2)) as aos:
        told = await tell(aos, "coder", "Do it.")
        (task,) = (await state_of(aos))["tasks"]
    assert (told["ok"], told["rounds"], told["output"]) == (False, 2, "")
    assert told["error"].startswith("the program ended with an error:\nTraceback")
    assert told["error"].endswith("ValueError: try 4")
    assert (task["ok"], task["error"]) == (False, told["error"])


async def test_the_last_program_decides(tmp_path: Path, sandbox: LocalSandbox) -> None:
    async with system(tmp_path, coder([runs("print(1)"), runs("1 / 0", 2), "Done."], sandbox)) as aos:
        told = await tell(aos, "coder", "Do it.")
    assert (told["ok"], told["rounds"]) == (False, 2)
    assert "ZeroDivisionError" in told["error"]


async def test_a_model_that_only_talks_is_reminded_once(tmp_path: Path, sandbox: LocalSandbox) -> None:
    async with system(tmp_path, coder(["It is 45.", runs(RIGHT), "45.", "I know it.", "I do."], sandbox)) as aos:
        reminded = await tell(aos, "coder", "Add.")
        never = await tell(aos, "coder", "Add.")
    assert (reminded["ok"], reminded["result"], reminded["text"]) == (True, 45, "45.")
    assert (never["ok"], never["rounds"], never["text"]) == (False, 0, "I do.")
    assert never["error"].startswith("no program was run")


async def test_offline_says_that_no_model_is_configured_and_runs_nothing(tmp_path: Path) -> None:
    async with system(tmp_path, CoderAgent(agent_id="coder", sandbox=NoSandbox())) as aos:
        told = await tell(aos, "coder", "Add.")
        assert not await state_of(aos)
    assert (told["ok"], told["rounds"], told["code"]) == (False, 0, "")
    assert told["error"].startswith("No model is configured")


async def test_without_a_sandbox_nothing_runs_and_the_event_is_kept_with_the_reason(tmp_path: Path) -> None:
    async with system(tmp_path, coder([runs("open('/tmp/escaped', 'w')"), "Done."], NoSandbox())) as aos:
        with pytest.raises(EventFailed, match="no user namespaces"):
            await tell(aos, "coder", "Add.", id="e1")
        (kept,) = (await aos.quarantine.list("default")).items
    assert kept.event.id == "e1"


async def test_the_state_keeps_the_last_tasks_bounded_and_the_model_is_shown_them(
    tmp_path: Path, sandbox: LocalSandbox
) -> None:
    def diligent(request: ModelRequest) -> Answer:
        called = request.messages[-1].role == "tool"
        return "Done." if called else runs("# " + "x" * 20_000)

    agent = coder(diligent, sandbox)
    async with system(tmp_path, agent) as aos:
        for number in range(TASKS_KEPT + 2):
            await tell(aos, "coder", f"task {number} " + "y" * 5000, id=f"e{number}")
        state = await state_of(aos)
    assert [task["event"] for task in state["tasks"]] == [f"e{number}" for number in range(2, TASKS_KEPT + 2)]
    assert len(msgspec.json.encode(state)) < TASKS_KEPT * 6500
    assert list(state) == ["tasks"]
    last = agent.model.requests[-1].messages[0].text  # type: ignore[union-attr]  # it is the scripted one
    assert "task 5 " in last
    assert "task 0 " not in last


async def test_a_program_that_ran_in_a_try_that_failed_is_read_back_and_not_run_again(
    tmp_path: Path, sandbox: LocalSandbox
) -> None:
    answers = [runs(RIGHT), RateLimited("slow down", 0.01), "45."]
    counting = Counting(sandbox)
    async with system(tmp_path, coder(answers, counting)) as aos:
        told = await tell(aos, "coder", "Add.")
        assert len((await state_of(aos))["tasks"]) == 1
    assert (told["ok"], told["rounds"], told["result"], told["code"]) == (True, 1, 45, RIGHT)
    assert told["files"] == [{"name": "sum.txt", "size_bytes": 2, "text": "45"}]
    assert counting.runs == 1


async def test_it_works_in_a_team_and_the_others_hear_what_its_program_said(
    tmp_path: Path, sandbox: LocalSandbox
) -> None:
    model = ScriptedModel([runs(WRONG), runs(RIGHT, 2), "It prints 45."])
    reader = ScriptedModel(["Then all is well."])
    members = [
        CoderAgent(name="coder", model=model, sandbox=sandbox),
        PerpetualAgent(name="reader", model=reader),
    ]
    team = AgentTeam(members, termination_condition=conditions.messages(3), agent_id="team")
    async with system(tmp_path, team) as aos:
        told = await tell(aos, "team", "Add 0 to 9.")
    assert [message["text"] for message in told["messages"]][1:] == ["It prints 45.", "Then all is well."]
    assert "45" in model.requests[-1].messages[-1].text
    assert reader.requests[0].messages[-1].text.endswith("It prints 45.")


async def test_autogen_s_own_team_takes_it(sandbox: LocalSandbox) -> None:
    perpetual = PerpetualAgent(name="asker", model=ScriptedModel(["Add 0 to 9."]))
    coding = CoderAgent(name="coder", model=ScriptedModel([runs(RIGHT), "45."]), sandbox=sandbox)
    members: list[Any] = [perpetual, coding]
    team = RoundRobinGroupChat(members, termination_condition=TextMessageTermination("coder"))
    result = await team.run(task="Begin.")
    assert result.messages[-1].to_text() == "45."


async def test_its_own_tools_stand_beside(tmp_path: Path, sandbox: LocalSandbox) -> None:
    def look_up(what: str) -> str:
        """Looks something up."""
        return "45"

    answers = [ToolCall("1", "look_up", {"what": "sum"}), runs("print(45)", 2), "45."]
    agent = coder(answers, sandbox, tools=[look_up])
    async with system(tmp_path, agent) as aos:
        assert (await tell(aos, "coder", "Add."))["ok"]
    assert [tool.name for tool in agent.model.requests[0].tools] == ["look_up", "run_python"]  # type: ignore[union-attr]  # it is the scripted one


def test_a_limit_that_makes_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="rounds_max is 0"):
        CoderAgent(agent_id="coder", rounds_max=0)
