"""State by identity: Azurite over HTTPS asks for a bearer token instead of a key, as an account does without keys."""

import base64
import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.storage.azure.account import Account
from AgentOperatingSystem.storage.azure.calls import Calls
from AgentOperatingSystem.storage.azure.store import AzureAgentStore
from AgentOperatingSystem.storage.azure.transport import Transport
from tests.certificates import Certificate, loopback_certificate
from tests.clocks import ManualClock
from tests.contract.samples import COUNTER, Writer
from tests.emulator import ACCOUNT, ROOT, fresh_prefix

LISTENS = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


class Entra:
    """A credential whose token nobody has signed: the emulator looks at audience, issuer and time alone."""

    def __init__(self, audience: str = "https://storage.azure.com") -> None:
        self._audience = audience
        self.closed = 0

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        from azure.core.credentials import AccessToken

        now = int(time.time())
        issuer = "https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/"
        claims = {"aud": self._audience, "iss": issuer, "iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        parts = ({"alg": "none", "typ": "JWT"}, claims)
        head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        return AccessToken(f"{head}.{body}.c2ln", now + 3600)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return loopback_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def endpoints(certificate: Certificate) -> Iterator[dict[str, str]]:
    """Where an emulator that asks for tokens listens."""
    subprocess.run([ROOT / "scripts" / "azurite"], check=True, timeout=280)
    program = ROOT / ".azurite" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
    ports = [f"--{service}Port=0" for service in ("blob", "queue", "table")]
    tls = ["--oauth", "basic", "--cert", str(certificate.certificate), "--key", str(certificate.key)]
    quiet = ["--inMemoryPersistence", "--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    process = subprocess.Popen(["node", program, *quiet, *ports, *tls], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found: dict[str, str] = {}
    try:
        for line in process.stdout:
            listens = LISTENS.search(line)
            if listens:
                found[listens[1].lower()] = f"{listens[2]}/{ACCOUNT}"
            if len(found) == 3:
                break
        assert len(found) == 3, f"Azurite ended with status {process.poll()}"
        yield found
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def account_of(endpoints: dict[str, str], certificate: Certificate, credential: Any) -> Account:
    class Trusting(Transport):
        """Knows the emulator's certificate."""

        async def send(self, request: Any, **config: Any) -> Any:
            return await super().send(request, **{**config, "connection_verify": str(certificate.certificate)})

    calls = Calls(ManualClock(), attempts_max=1)
    return Account.by_endpoints(endpoints["table"], endpoints["blob"], calls, credential, fresh_prefix(), Trusting)


async def test_agents_are_kept_by_identity(endpoints: dict[str, str], certificate: Certificate) -> None:
    credential = Entra()
    account = account_of(endpoints, certificate, credential)
    await account.create()
    store = AzureAgentStore(account)
    await Writer(store).commit()
    found = await store.load(COUNTER)
    assert found is not None
    assert await account.blobs.get(await account.blobs.put(b"content")) == b"content"
    await store.close()
    assert credential.closed == 0  # it belongs to the system


async def test_a_token_for_something_else_says_what_the_identity_needs(
    endpoints: dict[str, str], certificate: Certificate
) -> None:
    account = account_of(endpoints, certificate, Entra("https://vault.azure.net"))
    with pytest.raises(StoreUnavailable, match=r"'Storage Table Data Contributor'.* az role assignment create"):
        await account.create()
    await account.close()
