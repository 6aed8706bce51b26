"""Microsoft Entra tokens for Azure OpenAI, for whoever has no key: the host's managed identity, or a developer's login.

`registry` uses it where `azure_openai_key` is not set. The token's life is azure-identity's business: it caches and
renews. Source: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity.
"""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from AgentOperatingSystem.errors import ConfigurationError, ModelUnauthorized, ModelUnavailable

SCOPE = "https://cognitiveservices.azure.com/.default"
TokenProvider: TypeAlias = Callable[[], Awaitable[str]]


def entra_headers(given: TokenProvider | None = None) -> Callable[[], Awaitable[Mapping[str, str]]]:
    """The credentials of each call, with a token from `given`, or from azure-identity's default chain.

    A call raises `ModelUnauthorized` where nobody is logged in, `ModelUnavailable` where the identity service cannot be
    reached, `ConfigurationError` where azure-identity is not installed.
    """
    tokens = given

    async def headers() -> Mapping[str, str]:
        nonlocal tokens
        if tokens is None:
            tokens = _default_tokens()
        return {"Authorization": f"Bearer {await tokens()}"}

    return headers


def _default_tokens() -> TokenProvider:
    try:
        identity = importlib.import_module("azure.identity.aio")
        core = importlib.import_module("azure.core.exceptions")
    except ImportError:
        raise ConfigurationError(
            "azure models without azure_openai_key need the extra 'azure': pip install 'agent-operating-system[azure]'"
        ) from None
    credential = identity.DefaultAzureCredential()

    async def token() -> str:
        try:
            return str((await credential.get_token(SCOPE)).token)
        except core.ClientAuthenticationError as error:
            raise ModelUnauthorized(f"azure: no identity: {_first_line(error)}") from error
        except core.AzureError as error:
            raise ModelUnavailable(f"azure: the identity service failed: {_first_line(error)}") from error

    return token


def _first_line(error: Any) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
