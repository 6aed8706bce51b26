"""Secrets in Azure Key Vault: `keyvault://name` and `@Microsoft.KeyVault(…)`. `keeper` asks; specification row 179.

One client per vault, over the host's identity. The SDK answers the vault's challenge (401 with `WWW-Authenticate`) and
sends the token to vaults alone: one whose host is none of Microsoft's is believed only where it is the configured one.
Source: Microsoft Learn, "Authentication, requests and responses" of Key Vault's REST API.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from AgentOperatingSystem.config.azure_roles import missing_role
from AgentOperatingSystem.errors import ConfigurationError, Unavailable

REST_SECONDS: Final = 10.0
SUFFIXES: Final = (".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de")
_TIMEOUTS: Final = {"connection_timeout": 5, "read_timeout": 10}


class KeyVault:
    """The secrets of one vault. `identity` is an asynchronous credential; `ca_file` has the certificates that a vault
    of a private network is checked against.

    Raises `ConfigurationError` for a URL that is no vault's, or where the SDK is not installed.
    """

    def __init__(self, url: str, identity: Any, *, is_configured: bool = False, ca_file: Path | None = None) -> None:
        self.url = url
        self._client_id = str(getattr(identity, "client_id", ""))
        is_public = (urlsplit(url).hostname or "").endswith(SUFFIXES)
        if urlsplit(url).scheme != "https" or not (is_public or is_configured):
            raise ConfigurationError(
                f"{url} is no key vault: it needs https://<vault>.vault.azure.net, or key_vault_url"
            )
        self._client = _client(url, identity, is_public, ca_file)

    async def get(self, name: str, version: str = "") -> str:
        """The secret. Raises `ConfigurationError` (absent, disabled, or the identity has no role), `Unavailable`."""
        from azure.core import exceptions

        try:
            found = await self._client.get_secret(name, version or None)
        except exceptions.ClientAuthenticationError as error:
            raise _refused(self.url, name, error, self._client_id) from None
        except exceptions.HttpResponseError as error:
            raise _answered(self.url, name, error, self._client_id) from None
        except exceptions.AzureError as error:
            raise Unavailable(f"{self.url}: cannot be reached: {_line(error)}", REST_SECONDS) from None
        if not found.value:
            raise ConfigurationError(f"{self.url}: the secret {name!r} is empty")
        return str(found.value)

    async def close(self) -> None:
        """Lets go of the connections; the identity stays."""
        await self._client.close()


def _client(url: str, identity: Any, is_public: bool, ca_file: Path | None) -> Any:
    try:
        from azure.keyvault.secrets.aio import SecretClient
    except ImportError:
        raise ConfigurationError("Key Vault needs: pip install 'agent-operating-system[azure]'") from None
    trust = {"connection_verify": str(ca_file)} if ca_file else {}
    options = {"retry_total": 2, "retry_backoff_factor": 0.2, "retry_backoff_max": 2, **_TIMEOUTS, **trust}
    return SecretClient(url, identity, verify_challenge_resource=is_public, **options)


def _answered(url: str, name: str, error: Any, client_id: str) -> Exception:
    status, code = int(error.status_code or 0), _code(error)
    if status == 404:
        return ConfigurationError(f"{url}: there is no secret {name!r}")
    if status == 403 and "Disabled" in code:
        return ConfigurationError(f"{url}: the secret {name!r} is disabled")
    if status in (401, 403):
        return _refused(url, name, error, client_id)
    if status == 400:
        return ConfigurationError(f"{url}: refuses to read {name!r}: {code or 'HTTP 400'}")
    return Unavailable(f"{url}: answers HTTP {status} {code}".rstrip(), REST_SECONDS)


def _refused(url: str, name: str, error: Any, client_id: str) -> Exception:
    status = getattr(error, "status_code", None)
    if not status:  # no token at all: nobody is logged in, or the identity service is away
        return Unavailable(f"{url}: this host has no identity: {_line(error)}", REST_SECONDS)
    why = f"HTTP {status} {_code(error)}".rstrip()
    return ConfigurationError(f"{url}: may not read {name!r} ({why}); {missing_role('keyvault', url, client_id)}")


def _code(error: Any) -> str:
    """The vault's own word for it, the inner one where there is one."""
    told = getattr(error, "error", None)
    inner = (getattr(told, "innererror", None) or {}).get("code") if told else ""
    return str(inner or getattr(told, "code", "") or "")


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
