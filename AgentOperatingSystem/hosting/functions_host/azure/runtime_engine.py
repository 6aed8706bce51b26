"""The engine of the cloud: Microsoft's azure-functions-runtime, which Azure runs Python 3.13 functions with.

Made by `host.engine_of` where that package is installed; called by the front, the timers and the pollers. It is spoken
to by its public entries, in the order in which the platform's worker calls them.
"""

import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.azure import messages
from AgentOperatingSystem.hosting.functions_host.records import RUNTIME, Function, InvocationFailed, Payload


class RuntimeEngine:
    """One app in this process; the runtime keeps what it indexed in its modules, so one per process."""

    def __init__(self) -> None:
        self._runtime: Any = importlib.import_module(RUNTIME)
        self.name = "azure-functions-runtime"
        self.http_address = ""

    async def start(self, folder: Path) -> Sequence[Function]:
        """As `Engine.start`."""
        self._runtime.start_threadpool_executor()
        made = await self._runtime.worker_init_request(messages.init_request(str(folder), "127.0.0.1"))
        if made.result.status != messages.StatusResult.Success:
            raise ConfigurationError(f"{folder / 'function_app.py'}: {made.result.exception.message}")
        self.http_address = made.capabilities.get("HttpUri", "")
        found = await self._runtime.functions_metadata_request(messages.Message())
        if not found.function_metadata_results:
            raise ConfigurationError(f"{folder}: there is no function_app.py with functions")
        return [_function(each) for each in found.function_metadata_results]

    async def invoke(self, function: Function, payload: Payload, invocation_id: str = "") -> None:
        """As `Engine.invoke`."""
        request = messages.invocation_request(function, payload, invocation_id or uuid4().hex)
        answer = await self._runtime.invocation_request(request)
        if answer.result.status != messages.StatusResult.Success:
            raise InvocationFailed(f"{function.name}: {answer.result.exception.message}")


def _function(found: Any) -> Function:
    return Function(found.function_id, found.name, tuple(json.loads(each) for each in found.raw_bindings))
