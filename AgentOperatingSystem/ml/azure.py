"""Microsoft Entra tokens for whoever has no key: the host's managed identity, or a developer's login.

`registry` uses it for Azure OpenAI where `azure_openai_key` is not set, `azure_ml` for endpoints without a key and for
jobs. azure-identity is loaded at the first token. Source:
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from AgentOperatingSystem.config.azure_roles import missing_role
from AgentOperatingSystem.errors import ConfigurationError, ModelError, ModelUnauthorized, ModelUnavailable
from AgentOperatingSystem.ml.faults import from_status
from AgentOperatingSystem.ml.tokens import Token, TokenSource

SCOPE = "https://cognitiveservices.azure.com/.default"
TokenProvider: TypeAlias = Callable[[], Awaitable[str]]


def entra_headers(given: TokenProvider | None = None) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """The credentials of each call, with a token from `given`, or from azure-identity's default chain.

    A call raises `ModelUnauthorized` where nobody is logged in, `ModelUnavailable` where the identity service cannot be
    reached, `ConfigurationError` where azure-identity is not installed.
    """
    source = entra_source(SCOPE, "azure models without azure_openai_key")

    async def headers() -> Mapping[str, str]:
        token = await given() if given is not None else (await source()).value
        return {"Authorization": f"Bearer {token}"}

    return headers


def entra_tokens(credential: Any) -> TokenProvider:
    """Tokens for Azure OpenAI from a credential. Raises as the calls of `entra_headers` do."""
    source = entra_source(SCOPE, "azure models without azure_openai_key", credential)

    async def text() -> str:
        return (await source()).value

    return text


def entra_source(scope: str, who: str, credential: Any = None) -> TokenSource:
    """Tokens for one scope from a credential or, where none is given, from azure-identity's default chain; `who` needs
    them, for messages.

    The first call loads azure-identity. Raises as the calls of `entra_headers` do.
    """
    made: list[TokenSource] = []

    async def token() -> Token:
        if not made:
            made.append(_source(scope, who, credential))
        return await made[0]()

    return token


def refused_identity(endpoint: str, client_id: str | None) -> Callable[..., ModelError]:
    """Makes the error for a refused call of an Azure OpenAI resource that was entered with an identity: where that is
    not let in, it names the role, its scope and the command. `client_id` is the identity's, where it is configured.
    """

    def refused(who: str, status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
        error = from_status(who, status, body, headers)
        if not isinstance(error, ModelUnauthorized):
            return error
        return ModelUnauthorized(f"{error}; {missing_role('openai', endpoint, client_id or '')}")

    return refused


def _source(scope: str, who: str, credential: Any) -> TokenSource:
    try:
        identity = importlib.import_module("azure.identity.aio")
        core = importlib.import_module("azure.core.exceptions")
    except ImportError:
        raise ConfigurationError(f"{who} need the extra 'azure': pip install 'agent-operating-system[azure]'") from None
    credential = credential or identity.DefaultAzureCredential()

    async def token() -> Token:
        try:
            found = await credential.get_token(scope)
        except core.ClientAuthenticationError as error:
            raise ModelUnauthorized(f"azure: no identity: {_first_line(error)}") from error
        except core.AzureError as error:
            raise ModelUnavailable(f"azure: the identity service failed: {_first_line(error)}") from error
        return Token(str(found.token), float(found.expires_on))

    return token


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
