"""Can every secret be had that a configuration refers to? For `aos secrets check` and `aos doctor`, which start
nothing.

Values stay in here: what is answered names settings, references and troubles.
"""

from typing import Any, NamedTuple

from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import AOSError


class Checked(NamedTuple):
    """One setting whose secret lies elsewhere."""

    setting: str
    reference: str
    trouble: str
    """Empty where it was read."""


async def checked(config: AOSConfig, *, identity: Any = None) -> list[Checked]:
    """Reads each secret once."""
    auth = Auth(config, SystemClock(), identity=identity)
    found: list[Checked] = []
    try:
        for setting, secret in sorted(config.live_secrets().items(), key=lambda each: each[1].reference.where):
            try:
                await auth.keeper.read(setting)
            except AOSError:
                found.append(Checked(setting, secret.text, secret.trouble))
            else:
                found.append(Checked(setting, secret.text, ""))
    finally:
        await auth.close()
    return found


async def value_of(config: AOSConfig, setting: str) -> str:
    """The value of one setting, for a command that asks a system. Raises `ConfigurationError`, `Unavailable`."""
    auth = Auth(config, SystemClock())
    try:
        if "secrets_file_key" in config.live_secrets():
            await auth.keeper.read("secrets_file_key")
        await auth.keeper.read(setting)
    finally:
        await auth.close()
    return config.live_secrets()[setting].get_secret_value()
