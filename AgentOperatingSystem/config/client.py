"""The few settings that a client of a running system needs, read in a hundredth of the time that `AOSConfig` takes.

The `aos` command reads these before it sends one event. The layers and their order are those of `AOSConfig`; whatever
does not look right at first sight is handed to `AOSConfig`, which judges it and names what is wrong.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from AgentOperatingSystem.config.layers import some_layers

_PLAIN = {
    "url": re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?"),
    "token": re.compile(r"(?!@Microsoft|[a-z]+://)[!-~]{8,}"),  # no reference to a secret elsewhere
    "host": re.compile(r"[A-Za-z0-9.-]+"),
    "port": re.compile(r"[0-9]{1,4}"),
    "data_dir": re.compile(r"\S(.*\S)?"),
}


class ClientSettings(NamedTuple):
    """Where a system listens, how to be let in, and where its files lie on this machine.

    A token that lies elsewhere is named here by its reference.
    """

    url: str | None
    token: str | None
    host: str
    port: int
    data_dir: Path


def client_settings(**values: object) -> ClientSettings:
    """The settings, with `values` as runtime arguments (None means "not given"). Raises `ConfigurationError`."""
    given = some_layers(ClientSettings._fields, values, os.environ)
    if all(_is_plain(name, value) for name, (value, _) in given.items()):
        return _settings({name: str(value) for name, (value, _) in given.items()})
    return _judged(values)


def _is_plain(name: str, value: object) -> bool:
    kind = (str, int) if name == "port" else (str, Path)
    return isinstance(value, kind) and _PLAIN[name].fullmatch(str(value)) is not None


def _settings(texts: dict[str, str]) -> ClientSettings:
    return ClientSettings(
        url=texts.get("url"),
        token=texts.get("token"),
        host=texts.get("host", "127.0.0.1"),
        port=int(texts.get("port", "8080")),
        data_dir=Path(texts.get("data_dir", ".aos")),
    )


def _judged(values: dict[str, object]) -> ClientSettings:
    from AgentOperatingSystem.config.references import LiveSecret  # 0.3 s; only where something looks odd
    from AgentOperatingSystem.config.settings import AOSConfig

    config = AOSConfig(**values)
    token = config.token.text if isinstance(config.token, LiveSecret) else None
    if config.token is not None and token is None:
        token = config.token.get_secret_value()
    return ClientSettings(config.url, token, config.host, config.port, config.data_dir)
