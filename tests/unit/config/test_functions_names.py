from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.functions_names import functions_settings
from AgentOperatingSystem.errors import ConfigurationError

STORAGE = "DefaultEndpointsProtocol=https;AccountName=desk;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net"
VAULTED = "@Microsoft.KeyVault(VaultName=desk;SecretName=storage)"


@pytest.mark.parametrize(
    ("variables", "setting", "value"),
    [
        ({"AzureWebJobsStorage__accountName": "desk"}, "storage_account_url", "https://desk.blob.core.windows.net"),
        (
            {"AzureWebJobsStorage__tableServiceUri": "https://desk.table.core.windows.net"},
            "storage_account_url",
            "https://desk.table.core.windows.net",
        ),
        (
            {"ServiceBusConnection__fullyQualifiedNamespace": "desk.servicebus.windows.net"},
            "servicebus_fully_qualified_namespace",
            "desk.servicebus.windows.net",
        ),
        (
            {"AzureWebJobsStorage__accountName": "desk", "AzureWebJobsStorage__credential": "managedidentity"},
            "identity",
            "managed_identity",
        ),
        ({"ServiceBusConnection__clientId": "one"}, "identity_client_id", "one"),
    ],
)
def test_connections_of_functions_are_settings_of_ours(
    bare: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], setting: str, value: str
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    config = AOSConfig()
    assert getattr(config, setting) == value
    assert config.origin(setting) in {f"environment {name}" for name in variables}


def test_a_connection_string_and_a_reference_to_one(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", STORAGE)
    secret = AOSConfig().storage_connection_string
    assert secret is not None
    assert secret.get_secret_value() == STORAGE
    monkeypatch.setenv("AzureWebJobsStorage", VAULTED)
    assert list(AOSConfig().live_secrets()) == ["storage_connection_string"]


def test_names_of_ours_are_stronger_for_the_whole_connection() -> None:
    variables = {"AzureWebJobsStorage": STORAGE, "ServiceBusConnection__clientId": "one"}
    assert list(functions_settings(variables, {"storage_account_url"})) == ["identity_client_id"]


def test_two_identities_are_one_too_many(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobsStorage__clientId", "one")
    monkeypatch.setenv("ServiceBusConnection__clientId", "two")
    with pytest.raises(ConfigurationError, match="AzureWebJobsStorage__clientId and environment ServiceBusConnection"):
        AOSConfig()
