"""Identity and secrets as a configuration wants them: what the composition file opens before anything else."""

from collections.abc import Mapping
from typing import Any

from AgentOperatingSystem.auth.azure.identity import HostIdentity
from AgentOperatingSystem.auth.environment import EnvironmentSecrets
from AgentOperatingSystem.auth.keeper import SecretKeeper
from AgentOperatingSystem.auth.ports import Secrets
from AgentOperatingSystem.auth.secrets_file import secrets_file
from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.environment import Environment
from AgentOperatingSystem.config.references import LiveSecret, Reference
from AgentOperatingSystem.errors import ConfigurationError


class Auth:
    """The identity of the host, and the secrets of its configuration."""

    def __init__(self, config: AOSConfig, clock: Clock, *, identity: Any = None) -> None:
        self.identity: Any = identity or HostIdentity(config.identity, config.identity_client_id)
        """An asynchronous credential for every Azure SDK."""
        self._config = config
        self._open: dict[str, Secrets] = {}
        secrets: Mapping[str, LiveSecret] = config.live_secrets()
        self.keeper = SecretKeeper(secrets, self.store_of, clock, config.secrets_refresh_seconds)

    async def open(self) -> None:
        """Reads the configuration's secrets. Raises `ConfigurationError` where one is absent or refused."""
        try:
            await self.keeper.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Reads no more secrets, and lets go of vaults and of the identity."""
        await self.keeper.close()
        while self._open:
            await self._open.popitem()[1].close()
        await self.identity.close()

    def store_of(self, reference: Reference) -> Secrets:
        """Where a reference is read. Raises `ConfigurationError` where that is not configured."""
        if reference.where == "env":
            return EnvironmentSecrets(Environment())
        if reference.where == "secretsfile":
            key = self._config.secrets_file_key
            return secrets_file(self._config.secrets_file, key.get_secret_value() if key else None)
        url = reference.vault_url or self._config.key_vault_url
        if not url:
            raise ConfigurationError("which vault? set key_vault_url (AOS_KEY_VAULT_URL)")
        return self._vault(url)

    def _vault(self, url: str) -> Secrets:
        if url not in self._open:
            from AgentOperatingSystem.auth.azure.key_vault import KeyVault

            is_configured = url == self._config.key_vault_url
            ca_file = self._config.key_vault_ca_file
            self._open[url] = KeyVault(url, self.identity, is_configured=is_configured, ca_file=ca_file)
        return self._open[url]
