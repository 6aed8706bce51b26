"""`CoderAgent`: given a task, it writes a program, runs it in the sandbox, looks at the errors and tries again.

The kernel hands it an event; the model calls `run_python` as often as it needs, up to a limit; the last program and
what came of it are the event's result. As a member of a team it does the same within its turn.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Unpack

import msgspec

from AgentOperatingSystem.agents.base_agent import current_context
from AgentOperatingSystem.agents.minds import MindSpec, bridge, task_of
from AgentOperatingSystem.agents.perpetual_agent import MindOptions, PerpetualAgent
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import OFFLINE, ModelRequest
from AgentOperatingSystem.tools.sandbox.harness import Left, ProgramRun
from AgentOperatingSystem.tools.sandbox.records import Sandbox
from AgentOperatingSystem.tools.sandbox.run_python import TIMEOUT_SECONDS, RunPython, clipped, complaint_of

ROUNDS_MAX = 5
TASKS_KEPT = 5
"""Earlier tasks that the state keeps, and that the model is shown."""
TASK_LENGTH_MAX = 1000
CODE_LENGTH_MAX = 4000
OUTPUT_LENGTH_MAX = 16_000
SYSTEM_MESSAGE = (
    "You are a programmer. For each task write a Python program, run it with `run_python`, read what it printed, and "
    "correct it until it does what the task asks. Only what you have run counts: never claim a result that no program "
    "of yours has shown. When the program works, say in a few sentences what it does and what came out."
)
_NOTHING_RUN = "no program was run: the model answered without one"
_RUN_IT = "You have not run a program. Call `run_python` with the program that solves the task."


class Coded(msgspec.Struct, frozen=True, kw_only=True):
    """What a task came to."""

    task: str
    ok: bool
    """Whether the last program came to its end without an error; what it printed may still be wrong."""
    code: str = ""
    """The last program that was run."""
    output: str = ""
    """What it printed; the middle is left out of more than 16,000 characters."""
    result: Any = None
    """The value of its variable `result`."""
    files: tuple[Left, ...] = ()
    """The files that it left, with their content up to 48 KiB."""
    error: str = ""
    """Why it did not succeed; empty where it did."""
    rounds: int = 0
    """How many programs were run."""
    text: str = ""
    """What the model says of it."""


class CoderAgent(PerpetualAgent):
    """Writes code and runs it (specification rows 41 and 51). An event's result is a `Coded`.

    At most `rounds_max` programs run for one task, each at most `timeout_seconds`, in the configured sandbox or in
    `sandbox`; never outside of one: where none can be had, nothing is run and the event is quarantined with the reason.
    A task whose program never succeeds has a result with `ok` False and the last error. With the `offline` model
    nothing is run. `state["tasks"]` keeps the last five tasks; a try of an event that failed has left nothing there.

    Raises as `PerpetualAgent` does.
    """

    description: ClassVar[str] = "A programmer who writes Python, runs it in a sandbox and corrects it."
    capabilities: ClassVar[tuple[str, ...]] = ("code",)

    def __init__(
        self,
        tools: Sequence[Any] = (),
        system_message: str = SYSTEM_MESSAGE,
        *,
        agent_id: str = "",
        sandbox: Sandbox | None = None,
        rounds_max: int = ROUNDS_MAX,
        timeout_seconds: float = TIMEOUT_SECONDS,
        **options: Unpack[MindOptions],
    ) -> None:
        super().__init__(tools, system_message, agent_id=agent_id, **options)
        if rounds_max < 1:
            raise ConfigurationError(f"{type(self).__name__} {self.agent_id}: rounds_max is {rounds_max}; least is 1")
        self.rounds_max = rounds_max
        self._sandbox = sandbox
        self._seconds = timeout_seconds

    async def process(self, event: Event) -> Any:
        """Solves one task."""
        return msgspec.to_builtins(await self.code(task_of(event)))

    async def code(self, task: str) -> Coded:
        """Writes and runs programs until one does what the task asks, or the rounds are over.

        Raises `Quarantine` where there is no sandbox, `Unavailable` while its service is down, and `ModelError`s.
        """
        provider = self.provider()
        if provider.name == OFFLINE:
            said = (await provider.complete(ModelRequest.ask(task, instructions=self.instructions()))).text
            return Coded(task=task, ok=False, error=said, text=said)
        python = self._python(self.rounds_max)
        await python.check()
        coded = coded_of(task, await self._written(task, provider, python), python.runs)
        self._keep(coded)
        return coded

    def spec(self, provider: ModelProvider | None = None) -> MindSpec:
        """As for every agent, and with `run_python`; a team's turn of it has as many rounds as a task."""
        made = super().spec(provider)
        return replace(made, tools=(*made.tools, self._python()), tool_rounds_max=self.rounds_max)

    def _python(self, runs_max: int | None = None) -> RunPython:
        return RunPython(self._sandbox, agent=self.address, timeout_seconds=self._seconds, runs_max=runs_max)

    async def _written(self, task: str, provider: ModelProvider, python: RunPython) -> str:
        """Lets the model write and run; it is reminded once where it has only talked. Answers its last words."""
        spec = replace(super().spec(provider), tools=(*self.tools, python), tool_rounds_max=self.rounds_max + 1)
        spec = replace(spec, system_message="\n\n".join([spec.system_message, *self._earlier()]))
        mind = bridge().Mind(spec)
        answer = await mind.run(task)
        if not python.runs:
            answer = await mind.run(_RUN_IT)
        text: str = answer.text
        return text

    def _earlier(self) -> list[str]:
        """The earlier tasks as the model is told of them."""
        tasks = (self.state or {}).get("tasks", [])
        return [f"Earlier tasks, the oldest first: {msgspec.json.encode(tasks).decode()}"] if tasks else []

    def _keep(self, coded: Coded) -> None:
        self.state = {} if self.state is None else self.state
        context = current_context.get()
        kept = {
            "task": clipped(coded.task, TASK_LENGTH_MAX),
            "ok": coded.ok,
            "code": clipped(coded.code, CODE_LENGTH_MAX),
            "error": clipped(coded.error, TASK_LENGTH_MAX),
        }
        named = {"event": context.event.id} if context is not None else {}
        self.state["tasks"] = [*self.state.get("tasks", []), named | kept][-TASKS_KEPT:]


def coded_of(task: str, text: str, runs: Sequence[ProgramRun]) -> Coded:
    """What the programs came to: the last one decides."""
    if not runs:
        return Coded(task=task, ok=False, error=_NOTHING_RUN, text=text)
    last = runs[-1]
    return Coded(
        task=task,
        ok=last.ok,
        code=last.code,
        output=clipped(last.stdout, OUTPUT_LENGTH_MAX),
        result=last.result,
        files=last.files,
        error="" if last.ok else complaint_of(last),
        rounds=len(runs),
        text=text,
    )
