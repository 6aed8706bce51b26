"""How the parts learn of each other: the settings that the Functions host gets, and whoever else is to join in.

Called by `stack`. They are those of a deployment, by connection string in place of an identity.
"""

import importlib.util
import shlex
from pathlib import Path
from typing import Final

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.azure_local.azurite import CHECKOUT
from AgentOperatingSystem.hosting.azure_local.namespace import LOG

FUNCTION_APP: Final = "function_app.py"
FILE: Final = "azure-local.env"
_PACKAGES: Final = ("aiohttp", "azure.functions", "azure.servicebus", "azure.data.tables", "azure.storage.blob")
_ELSEWHERE: Final = ("storage_account_url", "servicebus_fully_qualified_namespace")


def app_folder() -> Path:
    """Where function_app.py is: in the current folder, else in the checkout. Raises `ConfigurationError`."""
    for folder in (Path.cwd(), CHECKOUT):
        if (folder / FUNCTION_APP).is_file():
            return folder
    raise ConfigurationError(f"there is no {FUNCTION_APP} here; take it and host.json from the repository")


def check(config: AOSConfig, folder: Path) -> None:
    """Raises `ConfigurationError` where the configuration speaks of something that is not on this machine."""
    if config.app is None:
        raise ConfigurationError("which agents? name a file or a module: aos up --azure-local app.py, or set AOS_APP")
    missing = [name for name in _PACKAGES if not _is_installed(name)]
    if missing:
        raise ConfigurationError(f"{missing[0]} is not installed: pip install 'agent-operating-system[azure]'")
    for name in _ELSEWHERE:
        if getattr(config, name) is not None:
            raise ConfigurationError(f"{name} is set ({config.origin(name)}); --azure-local runs on its own emulators")
    if not (folder / "host.json").is_file():
        raise ConfigurationError(f"{folder}: there is no host.json beside {FUNCTION_APP}")


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # nor is the package around it
        return False


def settings(config: AOSConfig, account: str, bus: str, token: str, data: Path) -> dict[str, str]:
    """Variables of the environment for a host of this stack."""
    given = {
        "AOS_APP": config.app or "",
        "AOS_TOKEN": token,
        "AOS_DATA_DIR": str(data),
        "AOS_STORE": "azure",
        "AOS_BUS": "servicebus",
        "AOS_STORAGE_CONNECTION_STRING": account,
        "AOS_SERVICEBUS_CONNECTION_STRING": bus,
        "AOS_SERVICEBUS_LOG_SUBSCRIPTION": config.servicebus_log_subscription or LOG,
        "AzureWebJobsStorage": account,
    }
    return {name: value for name, value in given.items() if value}


def file_of(config: AOSConfig) -> Path:
    """Where `keep` puts them."""
    return Path(config.data_dir) / FILE


def keep(data: Path, found: dict[str, str]) -> None:
    """Writes them as a file that a shell reads, for its owner alone: a worker beside the host takes them from there."""
    path = data / FILE
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in found.items()))
