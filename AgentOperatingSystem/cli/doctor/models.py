"""The model: which one is configured, whether it could be asked, and, only where that is wanted, whether it answers.

Without `online` nothing leaves this machine: a model that is made has not been called.
"""

import asyncio
import time
from collections.abc import Iterator
from importlib import metadata

from AgentOperatingSystem.cli.doctor.findings import OK, Finding, fault, ok, warning
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.ml.records import OFFLINE, ModelRequest, ModelResponse
from AgentOperatingSystem.ml.registry import Models

AUTOGEN = "autogen-agentchat"
QUESTION = "Answer with the one word: yes."


def checks(config: AOSConfig, online: bool) -> Iterator[Finding]:
    """The model that agents think with where they name none, and what a team of them needs."""
    configured = model(config)
    yield configured
    if online and config.model != OFFLINE and configured.status == OK:
        yield answers(config)
    yield autogen(AUTOGEN, is_needed=config.model != OFFLINE)


def model(config: AOSConfig) -> Finding:
    """Whether the model, and those to fall back to, can be asked: provider, address and key are there."""
    if config.model == OFFLINE:
        return ok("model", "none is configured: agents that think say so, and give no verdict (AOS_MODEL)")
    try:
        asyncio.run(_made(config))
    except AOSError as error:
        return fault("model", str(error), "correct the setting; docs/models.md says what each provider needs")
    behind = f", then {config.model_fallback}" if config.model_fallback else ""
    return ok("model", f"{config.model}{behind} ({config.origin('model')}): what it needs is set; --online asks it")


def answers(config: AOSConfig) -> Finding:
    """Whether the model answers: one call, which its provider may bill."""
    begun = time.perf_counter()
    try:
        response = asyncio.run(_asked(config))
    except AOSError as error:
        return fault("model answers", str(error), "docs/errors.md#" + error.code)
    usage = response.usage
    tokens = f"{usage.input_tokens} tokens in, {usage.output_tokens} out" if usage.input_tokens else "usage not told"
    return ok("model answers", f"{response.text[:40]!r} after {time.perf_counter() - begun:.1f} s; {tokens}")


def autogen(distribution: str, is_needed: bool) -> Finding:
    """Whether perpetual agents and teams can think; nothing of AutoGen is loaded."""
    try:
        return ok("autogen", f"{distribution} {metadata.version(distribution)}")
    except metadata.PackageNotFoundError:
        missing = f"{distribution} is not installed"
    if not is_needed:
        return ok("autogen", f"{missing}; without a model nothing needs it")
    return warning(
        "autogen", f"{missing}: agents and teams cannot think", "pip install 'agent-operating-system[autogen]'"
    )


async def _made(config: AOSConfig) -> None:
    models = Models(config)
    try:
        models.get()
    finally:
        await models.close()


async def _asked(config: AOSConfig) -> ModelResponse:
    models = Models(config)
    try:
        return await models.get().complete(ModelRequest.ask(QUESTION, cache="bypass"))
    finally:
        await models.close()
