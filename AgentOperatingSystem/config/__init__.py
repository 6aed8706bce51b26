"""Configuration: the only ring that reads the environment, and the one that finds the user's agents.

`AOSConfig` is read once by the composition file, the doors and the command line, and handed down as a value. The names
are loaded at first use (PEP 562), so that a caller of `load_app` alone does not pay for pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from AgentOperatingSystem.config.app import load_app
    from AgentOperatingSystem.config.client import ClientSettings, client_settings
    from AgentOperatingSystem.config.settings import AOSConfig
    from AgentOperatingSystem.config.sources import Setting

__all__ = ["AOSConfig", "ClientSettings", "Setting", "client_settings", "load_app"]

_HOMES = {
    "AOSConfig": "settings",
    "ClientSettings": "client",
    "Setting": "sources",
    "client_settings": "client",
    "load_app": "app",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
