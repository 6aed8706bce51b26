"""Secrets that lie elsewhere: a setting may name one instead of holding it.

    @Microsoft.KeyVault(SecretUri=https://desk.vault.azure.net/secrets/openai-key)      a vault's secret
    @Microsoft.KeyVault(VaultName=desk;SecretName=openai-key[;SecretVersion=…])         the same
    keyvault://openai-key                                                               in the vault of `key_vault_url`
    secretsfile://openai-key                                                            in the file of `secrets_file`
    env://OPENAI_API_KEY                                                                in another variable

`kinds` makes a `LiveSecret` of such a text; `auth.keeper` reads it, again and again, and whoever asks a `LiveSecret`
for its value gets the newest. Sources: Microsoft Learn, "Use Key Vault references as app settings"; specification row
179.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from AgentOperatingSystem.errors import Unavailable

Where = Literal["keyvault", "secretsfile", "env"]
UNREAD_SECONDS: Final = 5.0
"""How long an agent rests that needs a secret which could not be read."""
_SCHEMES: Final[tuple[Where, ...]] = ("keyvault", "secretsfile", "env")
_APP_SETTING = re.compile(r"@Microsoft\.KeyVault\((?P<inside>.*)\)", re.DOTALL)
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
"""What Key Vault calls a secret; our own file is stricter than it needs to be, so that secrets can move."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VERSION = re.compile(r"[0-9A-Za-z]{1,64}")
_VAULT = re.compile(r"[0-9A-Za-z-]{3,24}")
_SHAPE: Final = (
    "a Key Vault reference is @Microsoft.KeyVault(SecretUri=https://<vault>.vault.azure.net/secrets/<name>),"
    " @Microsoft.KeyVault(VaultName=<vault>;SecretName=<name>) or keyvault://<name>"
)


class Reference(NamedTuple):
    """Where a secret lies."""

    where: Where
    name: str
    version: str = ""
    """A fixed version, which is never read again; empty means the newest."""
    vault_url: str = ""
    """Empty means the configured vault."""


def is_reference(text: str) -> bool:
    """Whether a value means a secret elsewhere, well written or not."""
    return text.startswith(("@Microsoft.KeyVault", *(f"{scheme}://" for scheme in _SCHEMES)))


def reference_in(text: str) -> Reference | None:
    """The reference that a value is; None where it is none. Raises `ValueError` for one that is badly written."""
    if not is_reference(text):
        return None
    found = _APP_SETTING.fullmatch(text)
    if found:
        return _app_setting(found["inside"])
    if text.startswith("@"):
        raise ValueError(_SHAPE)
    scheme, _, rest = text.partition("://")
    name, _, version = rest.partition("/")
    return _checked(Reference(_SCHEMES[_SCHEMES.index(scheme)], name, version))


class LiveSecret(SecretStr):
    """A secret that lies elsewhere: its value is whatever was read there last.

    `auth.keeper` fills it and is asked by `renewed`; `text`, the reference, is no secret.
    """

    def __init__(self, text: str, reference: Reference, check: Callable[[str], object]) -> None:
        super().__init__(text)
        self.text = text
        self.reference = reference
        self.check = check
        """Raises `ValueError` for a value that has not the shape of this setting."""
        self.trouble = "nobody has read it yet"
        """Why there is no value, or only an old one."""
        self.renew: Callable[[], Awaitable[None]] | None = None
        """Reads it again; raises nothing."""
        self.heard: list[Callable[[str], object]] = []
        """Called with each new value."""
        self._current: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether it was read at least once."""
        return self._current is not None

    def get_secret_value(self) -> str:
        """The newest value. Raises `Unavailable` where it could not be read yet."""
        if self._current is None:
            raise Unavailable(f"the secret {self.text} cannot be read: {self.trouble}", UNREAD_SECONDS)
        return self._current

    def put(self, value: str) -> bool:
        """Takes a value that was read; says whether it is another one. Raises `ValueError` for one of the wrong
        shape, and keeps the old one.
        """
        self.check(value)
        before, self._current, self.trouble = self._current, value, ""
        if value == before:
            return False
        for hears in self.heard:
            hears(value)
        return True

    def __len__(self) -> int:
        return len(self._current or "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiveSecret) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


async def renewed(secret: SecretStr | None, refused: str) -> bool:
    """Has a secret read again whose value `refused` was refused by a service; says whether it is another one now, so
    that trying again makes sense. A secret that stands in the configuration itself stays what it is.
    """
    if not isinstance(secret, LiveSecret):
        return False
    if secret.renew is not None and not _is_other(secret, refused):
        await secret.renew()
    return _is_other(secret, refused)


def _is_other(secret: LiveSecret, value: str) -> bool:
    return secret.is_known and secret.get_secret_value() != value


def _app_setting(inside: str) -> Reference:
    pairs = [part.partition("=") for part in inside.split(";") if part.strip()]
    given = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if len(given) != len(pairs) or not all(given.values()):
        raise ValueError(_SHAPE)
    if given.keys() == {"secreturi"}:
        return _by_uri(given["secreturi"])
    if not given.keys() <= {"vaultname", "secretname", "secretversion"} or not _VAULT.fullmatch(
        given.get("vaultname", "")
    ):
        raise ValueError(_SHAPE)
    url = f"https://{given['vaultname']}.vault.azure.net"
    return _checked(Reference("keyvault", given.get("secretname", ""), given.get("secretversion", ""), url))


def _by_uri(uri: str) -> Reference:
    parts = urlsplit(uri)
    kind, _, rest = parts.path.strip("/").partition("/")
    name, _, version = rest.partition("/")
    if parts.scheme != "https" or not parts.hostname or kind != "secrets" or parts.query or parts.username:
        raise ValueError(_SHAPE)
    return _checked(Reference("keyvault", name, version, f"https://{parts.netloc}"))


def _checked(found: Reference) -> Reference:
    pattern = _VARIABLE if found.where == "env" else _NAME
    versioned = found.where == "keyvault"
    if not pattern.fullmatch(found.name) or (found.version and not (versioned and _VERSION.fullmatch(found.version))):
        raise ValueError(_SHAPE if versioned else f"a reference is {found.where}://<name>, letters, digits and dashes")
    return found
