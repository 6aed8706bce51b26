"""What keeps state and carries messages, where that is not the data folder: whether it can be reached, lets this host
in, and holds what a system needs. Nothing is made or sent.

Where an identity is refused, the finding names the role, its scope and the command that gives it.
"""

import asyncio
from collections.abc import Awaitable, Iterator

from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok, refusal
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.carriers import bus_of, store_of
from AgentOperatingSystem.errors import AOSError, ConfigurationError

SECONDS = 15.0


def checks(config: AOSConfig) -> Iterator[Finding]:
    """One finding for each service that is configured; none where all lies in the data folder."""
    try:
        store, bus = store_of(config), bus_of(config)
    except ConfigurationError as error:
        yield fault("store and bus", str(error), "docs/configuration.md says which goes with which")
        return
    if store != "embedded" or bus == "servicebus":
        yield from asyncio.run(_looked(config, store, bus))


async def _looked(config: AOSConfig, store: str, bus: str) -> list[Finding]:
    auth = Auth(config, SystemClock())
    found = []
    try:
        secrets = config.live_secrets()  # the key of the secrets file before what lies in the file
        for name in sorted(secrets, key=lambda name: secrets[name].reference.where == "secretsfile"):
            try:
                await auth.keeper.read(name)
            except AOSError:  # has a finding of its own
                continue
        if store == "azure":
            found.append(await _finding("storage account", _storage(config, auth)))
        if store == "postgres":
            found.append(await _finding("postgresql", _postgres(config)))
        if bus == "servicebus":
            found.append(await _finding("service bus", _servicebus(config, auth)))
    finally:
        await auth.close()
    return found


async def _finding(name: str, looking: Awaitable[str]) -> Finding:
    try:
        return ok(name, await asyncio.wait_for(looking, SECONDS))
    except TimeoutError:
        return fault(name, f"no answer within {SECONDS:g} s", "is the address right, and open to this machine?")
    except AOSError as error:
        return refusal(name, str(error), f"docs/errors.md#{error.code}")


async def _storage(config: AOSConfig, auth: Auth) -> str:
    from AgentOperatingSystem.storage.azure import looked_at

    return await looked_at(config, SystemClock(), auth.identity)


async def _postgres(config: AOSConfig) -> str:
    from AgentOperatingSystem.storage.postgres.database import looked_at

    assert config.database_url is not None  # else the store were another one
    return await looked_at(config.database_url.get_secret_value(), config.database_schema)


async def _servicebus(config: AOSConfig, auth: Auth) -> str:
    from AgentOperatingSystem.messaging.servicebus.opening import looked_at

    return await looked_at(config, auth.identity)
