"""The tools that every agent may have, as the running system's configuration wants them.

The composition file registers its configuration with `use`; `configured` makes the tools, which ask for a setting when
they are first called. So an agent can be written, and its tools shown to a model, before any system runs.
"""

import importlib
from typing import Any

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

_PACKAGE = "AgentOperatingSystem.tools"
_HOME = {
    "web_search": ("web.search.tool", "WebSearchTool"),
    "web_page": ("web.page", "WebPageTool"),
    "analyze_documents": ("documents.analyzer", "DocumentAnalyzer"),
    "run_python": ("sandbox.run_python", "RunPython"),
}


class RunningTools:
    """What the tools of one system need of its configuration. Raises `ConfigurationError` for a pool that is none."""

    def __init__(self, config: AOSConfig, credential: Any = None) -> None:
        """`credential` proves to Azure who the host is; none means what azure-identity finds."""
        self.config = config
        self.sandboxes: Any = _session_pool(config, credential)
        """Where models' programs run, if not in the cage on this machine."""


def _session_pool(config: AOSConfig, credential: Any) -> Any:
    endpoint, key = config.session_pool_endpoint, config.session_pool_key
    if endpoint is None or key is None:
        return None
    azure = importlib.import_module(f"{_PACKAGE}.sandbox.azure")
    return azure.AzureSandboxes(azure.SessionPool(endpoint=endpoint, key=key), credential)


_running: list[RunningTools] = []


def use(tools: RunningTools) -> None:
    """Makes this the configuration of this process's tools, until `release`."""
    _running.append(tools)
    if tools.sandboxes is not None:
        importlib.import_module(f"{_PACKAGE}.sandbox.running").use(tools.sandboxes)


async def release(tools: RunningTools) -> None:
    """The system that used it has closed."""
    _running[:] = [each for each in _running if each is not tools]
    if tools.sandboxes is not None:
        importlib.import_module(f"{_PACKAGE}.sandbox.running").release(tools.sandboxes)
        await tools.sandboxes.close()


def configuration() -> AOSConfig:
    """The running system's; where none runs, the environment's. Raises `ConfigurationError`."""
    return _running[-1].config if _running else AOSConfig()


def configured(*names: str) -> tuple[Any, ...]:
    """New tools of these names, all of them where none is named: `web_search`, `web_page`, `analyze_documents`,
    `run_python`. Each is a `Tool`.

    Raises `ConfigurationError` for a name that is none of them.
    """
    return tuple(_made(name) for name in names or _HOME)


def _made(name: str) -> Any:
    if name not in _HOME:
        raise ConfigurationError(f"no configured tool {name!r}; there are {', '.join(_HOME)}")
    module, kind = _HOME[name]
    return getattr(importlib.import_module(f"{_PACKAGE}.{module}"), kind)()
