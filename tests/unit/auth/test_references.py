from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.references import Reference, reference_in
from AgentOperatingSystem.errors import ConfigurationError, Unavailable

DESK = "https://desk.vault.azure.net"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@Microsoft.KeyVault(SecretUri=https://desk.vault.azure.net/secrets/k)", Reference("keyvault", "k", "", DESK)),
        (
            "@Microsoft.KeyVault(SecretUri=https://desk.vault.azure.net/secrets/k/)",
            Reference("keyvault", "k", "", DESK),
        ),
        (
            "@Microsoft.KeyVault(SecretUri=https://desk.vault.azure.net/secrets/k/0a1)",
            Reference("keyvault", "k", "0a1", DESK),
        ),
        ("@Microsoft.KeyVault(VaultName=desk;SecretName=k)", Reference("keyvault", "k", "", DESK)),
        (
            "@Microsoft.KeyVault(VaultName=desk; SecretName=k; SecretVersion=0a1)",
            Reference("keyvault", "k", "0a1", DESK),
        ),
        ("keyvault://k", Reference("keyvault", "k")),
        ("secretsfile://k", Reference("secretsfile", "k")),
        ("env://SOME_KEY", Reference("env", "SOME_KEY")),
        ("sk-a-key-that-stands-there", None),
    ],
)
def test_references_are_read(text: str, expected: Reference | None) -> None:
    assert reference_in(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "keyvault://",
        "keyvault://a b",
        "keyvault://a/b/c",
        "secretsfile://a/b",
        "env://1",
        "@Microsoft.KeyVault",
        "@Microsoft.KeyVault()",
        "@Microsoft.KeyVault(SecretUri=http://desk.vault.azure.net/secrets/k)",
        "@Microsoft.KeyVault(SecretUri=https://desk.vault.azure.net/keys/k)",
        "@Microsoft.KeyVault(SecretUri=https://me:canary@desk.vault.azure.net/secrets/k)",
        "@Microsoft.KeyVault(VaultName=desk.evil.example;SecretName=k)",
        "@Microsoft.KeyVault(VaultName=desk;SecretName=k;SecretName=l)",
    ],
)
def test_what_is_badly_written_is_one_line_that_names_the_key(bare: Path, text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AOSConfig(openai_api_key=text)
    assert str(raised.value).startswith("runtime argument openai_api_key: openai_api_key: a")
    assert "canary" not in str(raised.value)


def test_where_a_secret_lies_is_shown_and_an_unread_one_says_so(bare: Path) -> None:
    config = AOSConfig(openai_api_key="keyvault://openai-key")
    assert config.openai_api_key is not None
    shown = {setting.name: setting.value for setting in config.describe()}
    assert shown["openai_api_key"] == "keyvault://openai-key"
    with pytest.raises(Unavailable, match="keyvault://openai-key cannot be read: nobody has read it yet"):
        config.openai_api_key.get_secret_value()
    assert config.secret_values() == frozenset()
