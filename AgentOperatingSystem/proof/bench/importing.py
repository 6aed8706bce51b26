"""The import scenario: how long a new interpreter takes that imports us, beside one that imports nothing.

The time of one event is that of a whole process, so what an import costs is the difference between two contestants'
p50, not their ratio alone. The counting is done too, for the judge; it takes no time beside a process.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from AgentOperatingSystem.proof.bench.work import ContestantFailed, State, handle, new_state

FUNCTION_APP = Path(__file__).parents[3] / "function_app.py"
"""It lies in the repository, and is no part of the installed package."""


class Bare:
    """The `python` contestant: an interpreter that starts and ends."""

    name = "python"
    code: ClassVar[str] = "pass"

    def __init__(self) -> None:
        self._states: dict[int, State] = {}

    async def start(self, folder: Path, agents: int) -> None:
        self._states = {number: new_state() for number in range(agents)}

    async def process(self, agent_number: int, event_id: str, text: str) -> Mapping[str, object]:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", self.code)
        status = await process.wait()
        if status:
            raise ContestantFailed(f"python -c {self.code!r} ended with exit status {status}")
        return handle(self._states[agent_number], text)

    async def state(self, agent_number: int) -> State:
        return self._states[agent_number]

    async def stop(self) -> None:
        """There is nothing to let go of."""

    def counters(self) -> Mapping[str, float]:
        return {"fsyncs": 0}


class Package(Bare):
    """The `aos_import` contestant: the package, whose names load at their first use."""

    name = "aos_import"
    code: ClassVar[str] = "import AgentOperatingSystem"


class System(Bare):
    """The `aos_import_system` contestant: everything that a host of agents needs before its first event."""

    name = "aos_import_system"
    code: ClassVar[str] = "from AgentOperatingSystem import AgentOperatingSystem"


class FunctionsSdk(Bare):
    """The `functions_import_sdk` contestant: what every function app imports, and most of what ours does."""

    name = "functions_import_sdk"
    code: ClassVar[str] = "import azure.functions"


class FunctionApp(Bare):
    """The `functions_import` contestant: all that a worker of Azure Functions loads before its first invocation."""

    name = "functions_import"
    code: ClassVar[str] = f"import sys; sys.path.insert(0, {str(FUNCTION_APP.parent)!r}); import function_app"
