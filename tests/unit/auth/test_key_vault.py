"""Secrets in a key vault on loopback that speaks HTTPS and the challenge."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from AgentOperatingSystem.auth.azure.key_vault import KeyVault
from AgentOperatingSystem.auth.checking import checked
from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.clock import LoopClock, SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import renewed
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.observability import logs
from tests.key_vault import Identity, Vault, key_vault


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with key_vault(tmp_path) as opened:
        opened.secrets["openai-key"] = "canary-the-first"
        yield opened


def config_of(vault: Vault, **values: object) -> AOSConfig:
    return AOSConfig(**{**vault.settings(), "openai_api_key": "keyvault://openai-key", **values})


def key_of(config: AOSConfig) -> str:
    assert config.openai_api_key is not None
    return config.openai_api_key.get_secret_value()


async def test_a_reference_is_read_behind_the_challenge_with_one_token(vault: Vault, bare: Path) -> None:
    uri = f"@Microsoft.KeyVault(SecretUri={vault.url}/secrets/groq-key/0a1)"
    vault.versions["groq-key", "0a1"] = "canary-of-groq"
    config, identity = config_of(vault, groq_api_key=uri), Identity()
    auth = Auth(config, SystemClock(), identity=identity)
    await auth.open()
    assert key_of(config) == "canary-the-first"
    assert config.groq_api_key is not None
    assert config.groq_api_key.get_secret_value() == "canary-of-groq"
    assert set(identity.scopes) == {"https://vault.azure.net/.default"}
    assert {"canary-the-first", "canary-of-groq"} <= config.secret_values()
    assert logs.redact("it is canary-of-groq") == "it is [redacted]"
    await auth.close()
    assert identity.closed == 1


async def test_a_rotation_is_heard_of_at_a_refusal_and_at_the_refresh(vault: Vault, bare: Path) -> None:
    config = config_of(vault)
    auth = Auth(config, LoopClock(), identity=Identity())
    await auth.open()
    await auth.keeper.refresh()
    reads = vault.reads
    assert not await renewed(config.openai_api_key, "canary-the-first")  # read a moment ago: the vault is spared
    assert vault.reads == reads
    vault.secrets["openai-key"] = "canary-the-second"
    auth.keeper._asked.clear()  # as if the five seconds were over
    many = await asyncio.gather(*(renewed(config.openai_api_key, "canary-the-first") for _ in range(20)))
    assert many == [True] * 20
    assert (key_of(config), vault.reads) == ("canary-the-second", reads + 1)
    vault.secrets["openai-key"] = "canary-the-third"
    await auth.keeper.refresh()
    assert key_of(config) == "canary-the-third"
    await auth.close()


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_a_vault_that_fails_leaves_the_last_value_in_use(
    vault: Vault, bare: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_of(vault)
    auth = Auth(config, SystemClock(), identity=Identity())
    await auth.open()
    vault.fails = status
    with caplog.at_level(logging.WARNING):
        await auth.keeper.refresh()
        await auth.keeper.refresh()
    assert key_of(config) == "canary-the-first"
    assert len(caplog.records) == 1  # once, not at every refresh
    assert "canary" not in caplog.text
    vault.fails, vault.secrets["openai-key"] = 0, "canary-the-second"
    await auth.keeper.refresh()
    assert key_of(config) == "canary-the-second"
    await auth.close()


async def test_a_refusal_at_the_start_names_role_scope_and_command(vault: Vault, bare: Path) -> None:
    vault.fails = 403
    auth = Auth(config_of(vault), SystemClock(), identity=Identity())
    with pytest.raises(ConfigurationError) as raised:
        await auth.open()
    said = str(raised.value)
    assert "\n" not in said
    for part in ("keyvault://openai-key", "ForbiddenByRbac", "'Key Vault Secrets User'", "az role assignment create"):
        assert part in said
    assert f'--assignee "{Identity.client_id}"' in said


async def test_an_outage_at_the_start_stops_nothing(vault: Vault, bare: Path) -> None:
    config = config_of(vault)
    vault.fails = 503
    auth = Auth(config, SystemClock(), identity=Identity())
    await auth.open()
    assert config.openai_api_key is not None
    vault.fails = 0
    await auth.keeper.refresh()
    assert key_of(config) == "canary-the-first"
    await auth.close()


async def test_what_does_not_fit_its_setting_is_refused_unseen(vault: Vault, bare: Path) -> None:
    vault.secrets["store"] = "canary-no-connection-string"
    config = AOSConfig(**vault.settings(), storage_connection_string="keyvault://store")
    auth = Auth(config, SystemClock(), identity=Identity())
    with pytest.raises(ConfigurationError, match="what lies there does not fit") as raised:
        await auth.open()
    assert "canary" not in str(raised.value)


async def test_the_check_tells_settings_and_troubles_and_no_value(vault: Vault, bare: Path) -> None:
    config = config_of(vault, groq_api_key="keyvault://absent", mistral_api_key="env://NOT_SET_ANYWHERE")
    found = {each.setting: each.trouble for each in await checked(config, identity=Identity())}
    assert found["openai_api_key"] == ""
    assert "there is no secret 'absent'" in found["groq_api_key"]
    assert found["mistral_api_key"] == "environment NOT_SET_ANYWHERE: is not set"
    nobody = await checked(config_of(vault), identity=Identity(None))
    assert "this host has no identity" in nobody[0].trouble


@pytest.mark.parametrize(
    "url", ["https://evil.example.org", "http://desk.vault.azure.net", "https://vault.azure.net.evil"]
)
def test_a_token_goes_to_vaults_alone(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is no key vault"):
        KeyVault(url, Identity())
