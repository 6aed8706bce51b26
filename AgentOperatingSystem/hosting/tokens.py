"""The bearer token of a host: from the configuration, or made at the first start on loopback and kept in a file.

Called by `hosting/local.py` before anything listens.
"""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.config.kinds import TOKEN_LENGTH_MIN
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.errors import ConfigurationError

FILE = "token"


class Token(NamedTuple):
    """The token, and where it came from."""

    text: str
    path: Path | None
    """The file that keeps it; None where it is configured."""
    is_new: bool


def token_of(config: AOSConfig) -> Token:
    """The host's token; an empty one where it lies elsewhere and is not read yet, or where callers have tokens of their
    own. Raises `ConfigurationError` where none is configured and the host listens off loopback.
    """
    if isinstance(config.token, LiveSecret):
        return Token("", None, False)
    if config.token is not None:
        return Token(config.token.get_secret_value(), None, False)
    if not is_loopback(config.host) and (config.tokens_file is not None or config.easy_auth):
        return Token("", None, False)
    if not is_loopback(config.host):
        raise ConfigurationError(
            f"host is {config.host}, which others can reach: set AOS_TOKEN (a long random text) before you start there"
        )
    path = Path(config.data_dir) / FILE
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = _make(path)
    return Token(made or _read(path), path, bool(made))


def _make(path: Path) -> str:
    """A new token in a file of its own, readable by its owner alone; empty where there is a file already."""
    text = secrets.token_urlsafe(32)
    fresh = path.with_name(f"{FILE}.{os.getpid()}")
    fresh.write_bytes(b"")
    fresh.chmod(0o600)
    fresh.write_text(text + "\n")
    try:
        fresh.rename(path) if os.name == "nt" else os.link(fresh, path)  # whole or not at all, and never over another
    except FileExistsError:
        return ""
    finally:
        fresh.unlink(missing_ok=True)
    return text


def _read(path: Path) -> str:
    """The kept token. Raises `ConfigurationError` where the file holds none."""
    path.chmod(0o600)
    text = path.read_text(errors="replace").strip()
    if len(text) < TOKEN_LENGTH_MIN or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigurationError(f"{path} holds no token; delete it, and the next start makes a new one")
    return text
