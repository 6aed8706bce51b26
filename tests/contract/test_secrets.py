"""The contract of the port `Secrets`, on each place where secrets may lie: variables, the encrypted file, a key vault.

A place of further secrets (HashiCorp Vault, AWS Secrets Manager) is one more factory here.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from AgentOperatingSystem.auth.azure.key_vault import KeyVault
from AgentOperatingSystem.auth.environment import EnvironmentSecrets
from AgentOperatingSystem.auth.ports import Secrets
from AgentOperatingSystem.auth.secrets_file import SecretsFile
from AgentOperatingSystem.config.environment import Environment
from AgentOperatingSystem.errors import ConfigurationError, Unavailable
from tests.key_vault import Identity, key_vault

VALUE = 'canary; with "quotes", spaces = and üñí'


class Place(NamedTuple):
    """A place, and how something comes to lie there."""

    secrets: Secrets
    write: Callable[[str, str], object]
    """A new value under a name."""
    forget: Callable[[str], object]
    break_it: Callable[[], object]
    """From now on nothing can be read."""
    breaks_with: type[ConfigurationError | Unavailable]
    """A file that is damaged does not mend itself; a vault that is away comes back."""


@asynccontextmanager
async def variables(folder: Path) -> AsyncIterator[Place]:
    values: dict[str, str] = {}
    secrets = EnvironmentSecrets(Environment(values))
    yield Place(secrets, values.__setitem__, values.pop, values.clear, ConfigurationError)


@asynccontextmanager
async def encrypted_file(folder: Path) -> AsyncIterator[Place]:
    path = folder / "secrets.json"
    file = SecretsFile(path, "a-long-random-text")
    yield Place(file, file.set, file.remove, lambda: path.write_bytes(path.read_bytes()[:-20]), ConfigurationError)


@asynccontextmanager
async def vault_on_loopback(folder: Path) -> AsyncIterator[Place]:
    async with key_vault(folder) as vault:
        secrets = KeyVault(vault.url, Identity(), is_configured=True, ca_file=vault.certificate.certificate)
        yield Place(
            secrets,
            vault.secrets.__setitem__,
            vault.secrets.pop,
            lambda: setattr(vault, "fails", 503),
            Unavailable,
        )


PLACES: list[Callable[[Path], AbstractAsyncContextManager[Place]]] = [variables, encrypted_file, vault_on_loopback]


@pytest.fixture(params=PLACES, ids=lambda factory: str(factory.__name__))
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    async with request.param(tmp_path) as made:
        yield made
        await made.secrets.close()


async def test_what_was_written_is_read_to_the_letter(place: Place) -> None:
    place.write("openai", VALUE)
    place.write("groq", "another")
    assert await place.secrets.get("openai") == VALUE
    assert await place.secrets.get("groq") == "another"


async def test_the_newest_value_is_read(place: Place) -> None:
    place.write("openai", "canary-the-first")
    assert await place.secrets.get("openai") == "canary-the-first"
    place.write("openai", "canary-the-second")
    assert await place.secrets.get("openai") == "canary-the-second"


async def test_an_absent_secret_is_refused_by_its_name(place: Place) -> None:
    place.write("openai", VALUE)
    with pytest.raises(ConfigurationError, match="groq"):
        await place.secrets.get("groq")
    place.forget("openai")
    with pytest.raises(ConfigurationError, match="openai"):
        await place.secrets.get("openai")


async def test_a_place_that_cannot_be_read_says_so_and_tells_no_value(place: Place) -> None:
    place.write("openai", "canary-the-first")
    assert await place.secrets.get("openai") == "canary-the-first"
    place.break_it()
    with pytest.raises(place.breaks_with) as refused:
        await place.secrets.get("openai")
    told = [str(refused.value), repr(refused.value), str(refused.value.__cause__)]
    assert "canary" not in " ".join(told)
    assert "\n" not in str(refused.value)


async def test_closing_twice_is_the_same_as_once(place: Place) -> None:
    place.write("openai", VALUE)
    await place.secrets.get("openai")
    await place.secrets.close()
    await place.secrets.close()
