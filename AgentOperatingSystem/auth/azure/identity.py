"""`HostIdentity`: the one credential of a system, made when the first token is asked for.

The composition file hands it to whatever speaks to Azure; each of them may close its own clients, and the credential
stays until the system closes. azure-identity caches tokens and renews them. Source: Microsoft Learn, "Credential chains
in the Azure Identity library for Python".
"""

from types import TracebackType
from typing import Any, Literal, Self

from AgentOperatingSystem.errors import ConfigurationError

Kind = Literal["default", "managed_identity"]


class HostIdentity:
    """An asynchronous credential, as every Azure SDK takes one."""

    def __init__(self, kind: Kind = "default", client_id: str | None = None) -> None:
        self.client_id = client_id or ""
        self._kind = kind
        self._made: Any = None

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        """A token. Raises what azure-identity raises, and `ConfigurationError` where that is not installed."""
        return await self.credential().get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        """A token with what is known of it. Raises as `get_token`."""
        return await self.credential().get_token_info(*scopes, options=options)

    def credential(self) -> Any:
        """azure-identity's own credential. Raises `ConfigurationError` where that is not installed."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> Any:
        try:
            from azure.identity import aio
        except ImportError:
            raise ConfigurationError(
                "to prove who it is to Azure, this host needs: pip install 'agent-operating-system[azure]'"
            ) from None
        if self._kind == "managed_identity":
            return aio.ManagedIdentityCredential(client_id=self.client_id or None)
        # Where no client id is given, the SDK looks for AZURE_CLIENT_ID by itself; None would forbid that.
        options = {"managed_identity_client_id": self.client_id} if self.client_id else {}
        return aio.DefaultAzureCredential(**options)

    async def close(self) -> None:
        """The system closes; a token that is asked for later makes a new credential."""
        made, self._made = self._made, None
        if made is not None:
            await made.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whoever uses it for a while does not close it: it is the system's."""
