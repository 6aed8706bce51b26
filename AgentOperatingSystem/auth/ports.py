"""The port `Secrets`: a place where secrets lie. `keeper` asks it; contract: tests/contract/test_secrets.py."""

from typing import Protocol


class Secrets(Protocol):
    """Reads secrets by name."""

    async def get(self, name: str, version: str = "") -> str:
        """The secret's value; the newest where no version is named.

        Raises `ConfigurationError` where there is none of this name, or it may not be read: asking again does not help.
        Raises `Unavailable` where the place cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Lets go of connections."""
        ...
