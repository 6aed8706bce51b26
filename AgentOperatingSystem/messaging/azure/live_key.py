"""A shared access key that may change while it is in use: whoever asks for it gets the newest.

`ServiceBusManager` enters a namespace with it, and the SDK reads it for every token that it signs: each new link, and
each token that is renewed.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from azure.core.credentials import AzureNamedKey, AzureNamedKeyCredential

ConnectionString: TypeAlias = str | Callable[[], str]
"""A connection string, or what answers the one of now."""


def entered(client: Any, connection_string: ConnectionString, options: dict[str, Any]) -> Any:
    """The SDK's client (`client` is its class) of a namespace, whose key is read anew for every token.

    Raises `ValueError` where the connection string is none. One with a signature is good for what that is good for.
    """
    current = connection_string if callable(connection_string) else lambda: connection_string
    text = current()
    checked = client.from_connection_string(text, **options)
    if "sharedaccesskey" not in parts_of(text):
        return checked
    return client(checked.fully_qualified_namespace, LiveKey(current), **options, use_tls=not is_emulator(text))


def parts_of(connection_string: str) -> dict[str, str]:
    """A connection string's parts by their names in lower case."""
    pairs = (part.partition("=") for part in connection_string.split(";") if part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def is_emulator(connection_string: str) -> bool:
    """Whether it speaks of an emulator, which is entered without TLS."""
    return parts_of(connection_string).get("usedevelopmentemulator", "").lower() == "true"


class LiveKey(AzureNamedKeyCredential):
    """The key of the connection string that `current` answers. Raises `ValueError` where the first one has none."""

    def __init__(self, current: Callable[[], str]) -> None:
        super().__init__(*_key_of(current()))
        self._current = current

    @property
    def named_key(self) -> AzureNamedKey:
        """The key as it is now; one that cannot be read as a key leaves the last one in use."""
        name, key = _key_of(self._current())
        if name and key:
            self.update(name, key)
        return super().named_key


def _key_of(connection_string: str) -> tuple[str, str]:
    parts = parts_of(connection_string)
    return parts.get("sharedaccesskeyname", ""), parts.get("sharedaccesskey", "")
