"""Who this host is to Azure, where secrets lie, and who its callers are."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import Seconds


class IdentitySettings(BaseSettings):
    """Who this host is to Azure, where secrets lie, and who its callers are."""

    identity: Literal["default", "managed_identity"] = Field(
        "default",
        description="How the host proves who it is to Azure: what `DefaultAzureCredential` finds, or the managed "
        "identity alone.",
    )
    identity_client_id: kinds.Text | None = Field(
        None, description="The client id of a user-assigned managed identity; none means the system-assigned one."
    )
    key_vault_url: kinds.Url | None = Field(
        None, description="The key vault that `keyvault://name` means, such as https://desk.vault.azure.net."
    )
    key_vault_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that the vault is checked against; none means the public authorities."
    )
    secrets_file: Path | None = Field(
        None, description="The encrypted file that `secretsfile://name` means; `aos secrets` writes it."
    )
    secrets_file_key: kinds.Token | None = Field(None, description="Secret. What that file is encrypted with.")
    secrets_refresh_seconds: Seconds = Field(
        300, gt=0, description="How old a secret that lies elsewhere may be before it is read again, in seconds."
    )
    tokens_file: Path | None = Field(
        None, description="Further bearer tokens, hashed, each with the name of its holder; `aos tokens` writes it."
    )
    easy_auth: bool = Field(
        False,
        description="Whether App Service authentication stands before the doors, so that its X-MS-CLIENT-PRINCIPAL "
        "headers are believed.",
    )
