"""What agents need at their first event is loaded when their host starts: AutoGen takes a process about half a second.

A host begins it when it serves already (`local`, `worker`, `functions/worker`). The types say what they need
(`BaseAgent.preloads`); a thread loads it, so that everybody else is served meanwhile.
"""

import asyncio
import importlib
import logging
from collections.abc import Iterable

from AgentOperatingSystem.ml.records import OFFLINE
from AgentOperatingSystem.orchestration.registry import AgentType

EXTRA = "autogen_"
"""How the modules of the extra `autogen` begin."""
_log = logging.getLogger(__name__)


def needed_by(kinds: Iterable[AgentType]) -> list[str]:
    """The modules that registered types ask for, each once."""
    return list(dict.fromkeys(name for kind in kinds for name in kind.preloads))


def begin(kinds: Iterable[AgentType], model: str) -> asyncio.Task[None]:
    """Begins to load them; nothing where `model`, that of whoever names none, thinks nothing (an agent with a model of
    its own loads at its first event then). The task never raises: who needs what cannot be loaded says so there.
    """
    return asyncio.create_task(_load([] if model == OFFLINE else needed_by(kinds)), name="aos-preload")


async def _load(names: list[str]) -> None:
    for name in names:
        try:
            await asyncio.to_thread(importlib.import_module, name)
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith(EXTRA):
                continue  # without a model nothing needs it; with one, the first event says what to install
            _log.warning("%s, which an agent needs, cannot be loaded: %s", name, error)
