"""Secrets in one encrypted file: `secretsfile://name`. `aos secrets` writes it, `keeper` reads it.

The whole file is one AES-256-GCM message, so that neither names nor values can be read, changed or exchanged without
the key; the key is derived from the setting `secrets_file_key` by scrypt (RFC 7914) with a salt of the file's own. A
new file takes the old one's place whole or not at all. Specification rows 178 and 180.
"""

import asyncio
import base64
import json
import os
import secrets
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from AgentOperatingSystem.config.references import reference_in
from AgentOperatingSystem.errors import ConfigurationError

FORMAT: Final = "aos-secrets-1"
SCHEME: Final = "secretsfile"
VALUE_BYTES_MAX: Final = 25_600
"""As much as Key Vault takes."""
_COST: Final = {"n": 1 << 15, "r": 8, "p": 1}
_NO_KEY: Final = "secrets_file needs secrets_file_key (AOS_SECRETS_FILE_KEY): a long random text"


class SecretsFile:
    """The secrets of one file. Two writers at once: the later one wins, whole."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key

    async def get(self, name: str, version: str = "") -> str:
        """The secret. Raises `ConfigurationError` where the file has none of this name, cannot be read or does not
        belong to the key.
        """
        found = await asyncio.to_thread(self.read)
        if name not in found:
            raise ConfigurationError(f"{self._path}: there is no secret {name!r}; `aos secrets set {name}` writes one")
        return found[name]

    async def close(self) -> None:
        """There is nothing to let go of."""

    def names(self) -> list[str]:
        """What there is. Raises `ConfigurationError`."""
        return sorted(self.read()) if self._path.exists() else []

    def set(self, name: str, value: str) -> bool:
        """Keeps a secret; says whether it is a new one. Raises `ConfigurationError`."""
        checked_name(name)
        if not value or len(value.encode()) > VALUE_BYTES_MAX:
            raise ConfigurationError(f"a secret has 1 to {VALUE_BYTES_MAX} bytes")
        before = self.read() if self._path.exists() else {}
        self._write({**before, name: value})
        return name not in before

    def remove(self, name: str) -> None:
        """Forgets a secret. Raises `ConfigurationError` where there is none of this name."""
        before = self.read()
        if name not in before:
            raise ConfigurationError(f"{self._path}: there is no secret {name!r}")
        self._write({other: value for other, value in before.items() if other != name})

    def read(self) -> dict[str, str]:
        """All secrets by name. Raises `ConfigurationError`."""
        try:
            document = json.loads(self._path.read_text("utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}")
            salt, nonce, sealed = (base64.b64decode(document[part]) for part in ("salt", "nonce", "sealed"))
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(f"{self._path}: is no file of `aos secrets`") from None
        plain: dict[str, str] = json.loads(_opened(self._path, self._key, salt, nonce, sealed))
        return plain

    def _write(self, values: Mapping[str, str]) -> None:
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = _cipher(self._key, salt).encrypt(nonce, json.dumps(values).encode(), FORMAT.encode())
        parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
        document = {"format": FORMAT} | {name: base64.b64encode(part).decode() for name, part in parts.items()}
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(document, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be written: {error.strerror}") from None
        finally:
            fresh.unlink(missing_ok=True)


def secrets_file(path: Path | None, key: str | None) -> SecretsFile:
    """The file of a configuration. Raises `ConfigurationError` where none is named, or no key."""
    if path is None:
        raise ConfigurationError("no secrets file: set secrets_file (AOS_SECRETS_FILE)")
    if key is None:
        raise ConfigurationError(_NO_KEY)
    return SecretsFile(path, key)


def checked_name(name: str) -> str:
    """The name, if a reference can carry it. Raises `ConfigurationError`."""
    try:
        reference_in(f"{SCHEME}://{name}")
    except ValueError:
        raise ConfigurationError(f"secret {name!r}: a name has letters, digits and dashes, 127 at most") from None
    if "/" in name:
        raise ConfigurationError(f"secret {name!r}: a name has letters, digits and dashes, 127 at most")
    return name


def _opened(path: Path, key: str, salt: bytes, nonce: bytes, sealed: bytes) -> bytes:
    cipher = _cipher(key, salt)
    from cryptography.exceptions import InvalidTag

    try:
        plain: bytes = cipher.decrypt(nonce, sealed, FORMAT.encode())
    except (InvalidTag, ValueError):
        raise ConfigurationError(f"{path}: was not written with this secrets_file_key, or was changed since") from None
    return plain


@lru_cache(maxsize=4)  # a derivation takes 0.1 s, and the file is read again and again
def _derived(key: str, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return Scrypt(salt=salt, length=32, **_COST).derive(key.encode())


def _cipher(key: str, salt: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigurationError(
            "the secrets file needs the package cryptography: pip install 'agent-operating-system[secrets]'"
        ) from None
    return AESGCM(_derived(key, salt))
