"""A key vault on loopback that speaks the protocol: HTTPS, the challenge, versions, and bad days.

    async with key_vault(folder) as vault:
        vault.secrets["openai-key"] = "first"        # a new version each time
        config = AOSConfig(**vault.settings(), openai_api_key="keyvault://openai-key")

Source: Microsoft Learn, "Authentication, requests and responses" and "Get Secret" of Key Vault's REST API.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.certificates import Certificate, loopback_certificate
from tests.loopback import Answer, Asked, Server, serving

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
TOKEN = "a-token-for-the-vault-alone"
_CHALLENGE = f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="https://vault.azure.net"'


class Identity:
    """A credential that notes what it is asked for. `token` is what it gives; None stands for nobody logged in."""

    client_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, token: str | None = TOKEN) -> None:
        self.token = token
        self.scopes: list[str] = []
        self.closed = 0

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken
        from azure.core.exceptions import ClientAuthenticationError

        self.scopes += scopes
        if self.token is None:
            raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token")
        return AccessToken(self.token, 4_102_444_800)

    async def close(self) -> None:
        self.closed += 1


@dataclass
class Vault:
    """What lies there, who may read it, and what goes wrong."""

    server: Server
    certificate: Certificate
    secrets: dict[str, str] = field(default_factory=dict)
    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    fails: int = 0
    """An HTTP status for every request that has a token; 0 is a good day."""
    reads: int = 0
    """Secrets that were given away, or refused, behind the challenge."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def settings(self) -> dict[str, Any]:
        """The settings by which a system finds it."""
        return {"key_vault_url": self.url, "key_vault_ca_file": self.certificate.certificate}

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(401, {"WWW-Authenticate": _CHALLENGE}, _error("Unauthorized"))
        self.reads += 1
        if self.fails:
            inner = {403: "ForbiddenByRbac"}.get(self.fails)
            return Answer(self.fails, {"Content-Type": "application/json"}, _error("Forbidden", inner))
        parts = urlsplit(asked.target)
        assert "api-version" in parse_qs(parts.query)
        kind, name, version = (*parts.path.strip("/").split("/"), "", "")[:3]
        value = self.versions.get((name, version)) if version else self.secrets.get(name)
        if asked.method != "GET" or kind != "secrets" or value is None:
            return Answer(404, {"Content-Type": "application/json"}, _error("SecretNotFound"))
        body = {
            "value": value,
            "id": f"{self.url}/secrets/{name}/{version or 'newest'}",
            "attributes": {"enabled": True},
        }
        return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


@asynccontextmanager
async def key_vault(folder: Path) -> AsyncIterator[Vault]:
    """A vault, for the length of a block."""
    certificate = loopback_certificate(folder)
    vaults: list[Vault] = []
    async with serving(lambda asked: vaults[0].answer(asked), tls=certificate.server()) as server:
        vaults.append(Vault(server, certificate))
        yield vaults[0]


def _error(code: str, inner: str | None = None) -> bytes:
    told: dict[str, Any] = {"code": code, "message": "no"}
    if inner:
        told["innererror"] = {"code": inner}
    return json.dumps({"error": told}).encode()
