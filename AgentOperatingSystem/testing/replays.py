"""Recorded events as regression tests: `aos replay --save` writes the file, this runs it again."""

from collections.abc import Sequence
from pathlib import Path

from AgentOperatingSystem.agents.base_agent import BaseAgent
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import NotFound
from AgentOperatingSystem.ml import running
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.wrappers.prompted import Prompted
from AgentOperatingSystem.orchestration.builtin import FunctionHandler, Unrouted
from AgentOperatingSystem.orchestration.recordings import Recording, read_recording
from AgentOperatingSystem.orchestration.registry import Registry
from AgentOperatingSystem.orchestration.replaying import Replayed, replay

_REPLAY = "replay:"


async def replay_fixture(
    path: str | Path, *agents: BaseAgent | type[BaseAgent], model: str = "", prompt: str = ""
) -> Replayed:
    """Handles the event of a file again with these agents, offline; `Replayed.report()` says what is different.

    Nothing is called that is not recorded, but models where `model` or `prompt` is given: then each model call is made
    anew, with `model` (default: the configured one) and `prompt` in place of the system's message. Raises `NotFound`
    where there is no file, `InvalidInput` where it is no recording, `UnknownAgent` where its agent is not among these.
    """
    return await replay_recording(_read(Path(path)), agents, model=model, prompt=prompt)


def _read(path: Path) -> Recording:
    if not path.is_file():
        raise NotFound(f"there is no recorded event at {path}")
    return read_recording(path.read_bytes())


async def replay_recording(
    recording: Recording, agents: Sequence[BaseAgent | type[BaseAgent]], *, model: str = "", prompt: str = ""
) -> Replayed:
    """As `replay_fixture`, of a recording that was read already."""
    registry = Registry()
    for each in (Unrouted, FunctionHandler):
        registry.register_system(each)
    for agent in agents:
        registry.register(agent)
    for sent in recording.known:
        if sent not in {kind.name for kind in registry.types()}:
            registry.register_system(_stand_in(sent))
    if not model and not prompt:
        return await replay(recording, registry)
    models = _Models(AOSConfig(), prompt)
    running.use(models)
    try:
        return await replay(recording, registry, model=f"{_REPLAY}{model}")
    finally:
        await running.release(models)


class _Models(running.RunningModels):
    """The configured models; those of a replay with its prompt."""

    def __init__(self, config: AOSConfig, prompt: str) -> None:
        super().__init__(config)
        self._prompt = prompt

    def get(self, name: str = "") -> ModelProvider:
        provider = super().get(name.removeprefix(_REPLAY))
        return Prompted(provider, self._prompt) if self._prompt and name.startswith(_REPLAY) else provider


def _stand_in(name: str) -> type[BaseAgent]:
    """An agent that is sent to and not here: an address is all that a replay needs of it."""
    return type(name, (BaseAgent,), {"name": name})
