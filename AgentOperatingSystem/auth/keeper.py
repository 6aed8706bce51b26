"""Keeps the configuration's secrets fresh: reads what its references name, at the start, from time to time, and when a
service has refused the one in use.

    composition → open → stores → LiveSecret → whoever uses the setting
                  refresh, every `refresh_seconds`
                  renew, where a service answered 401

A value that was read goes first to the redaction, then to the setting. While a store cannot be reached, or refuses, the
value that was read last stays in use.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from AgentOperatingSystem.auth.ports import Secrets
from AgentOperatingSystem.clock import Clock
from AgentOperatingSystem.config.connection_strings import secret_parts
from AgentOperatingSystem.config.references import LiveSecret, Reference
from AgentOperatingSystem.errors import ConfigurationError, Unavailable
from AgentOperatingSystem.observability import metrics
from AgentOperatingSystem.observability.redaction import register_secrets

RENEW_SECONDS_MIN: Final = 5.0
"""How often at most a secret is read again because a service refuses it: a key that is simply wrong costs the vault no
more."""
Stores = Callable[[Reference], Secrets]
"""The store of a reference. Raises `ConfigurationError` where it is not configured."""
_log = logging.getLogger(__name__)


class SecretKeeper:
    """The secrets of one configuration, by setting."""

    def __init__(self, secrets: Mapping[str, LiveSecret], stores: Stores, clock: Clock, refresh_seconds: float) -> None:
        self._secrets = secrets
        self._stores = stores
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._asked: dict[str, float] = {}
        self._locks = {name: asyncio.Lock() for name in secrets}
        self._chore: asyncio.Task[None] | None = None
        for name, secret in secrets.items():
            secret.renew = partial(self.renew, name)

    async def open(self) -> None:
        """Reads every secret, and begins to read them again from time to time.

        Raises `ConfigurationError` for the first that is absent or refused, or has not the shape of its setting. One
        whose store cannot be reached stays unknown for the time being, which the log says.
        """
        if not self._secrets:
            return
        # The file's own key may lie in a vault: what is not in the file is read first.
        for group in (self._names(in_file=False), self._names(in_file=True)):
            outcomes = await asyncio.gather(*(self.read(name) for name in group), return_exceptions=True)
            for name, outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Unavailable):
                    _log.warning("%s: %s; trying again", name, outcome)
                elif isinstance(outcome, BaseException):
                    raise outcome
        self._chore = asyncio.create_task(self._refresh_forever(), name="aos-secrets")

    async def close(self) -> None:
        """Reads nothing more."""
        chore, self._chore = self._chore, None
        if chore is not None:
            chore.cancel()
            await asyncio.gather(chore, return_exceptions=True)

    async def refresh(self) -> None:
        """Reads every secret once more, but for fixed versions; what cannot be read stays as it was."""
        for name, secret in self._secrets.items():
            if secret.is_known and secret.reference.version:
                continue
            before = secret.trouble
            try:
                await self.read(name)
            except (ConfigurationError, Unavailable) as error:
                if secret.trouble != before:  # once, not at every refresh
                    _log.warning("%s: %s; the value that was read last stays in use", name, error)

    async def renew(self, name: str) -> None:
        """A service refused the value: reads it again, at most every `RENEW_SECONDS_MIN`.

        Callers that come together share one reading. What cannot be read stays as it was.
        """
        secret = self._secrets[name]
        async with self._locks[name]:
            is_due = self._clock.now() >= self._asked.get(name, 0.0) + RENEW_SECONDS_MIN
            if not is_due or (secret.is_known and secret.reference.version):
                return
            try:
                await self.read(name)
            except (ConfigurationError, Unavailable) as error:
                _log.warning("%s: %s; the value that was read last stays in use", name, error)

    async def read(self, name: str) -> None:
        """Reads one secret. Raises `ConfigurationError` where it is absent, refused or of the wrong shape;
        `Unavailable`.
        """
        secret = self._secrets[name]
        self._asked[name] = self._clock.now()
        try:
            value = await self._stores(secret.reference).get(secret.reference.name, secret.reference.version)
            register_secrets(value, *secret_parts(value))
            is_new, was_known = True, secret.is_known
            is_new = secret.put(value)
        except (ConfigurationError, Unavailable) as error:
            secret.trouble = str(error)
            metrics.increment("secrets.read", outcome="unavailable" if isinstance(error, Unavailable) else "refused")
            raise type(error)(f"{secret.text}: {error}") from None
        except ValueError as error:
            secret.trouble = str(error)
            metrics.increment("secrets.read", outcome="unusable")
            raise ConfigurationError(f"{name} ({secret.text}): what lies there does not fit: {error}") from None
        metrics.increment("secrets.read", outcome="changed" if is_new and was_known else "read")
        if is_new and was_known:
            _log.info("%s: there is a new value at %s; it is in use from now on", name, secret.text)

    # --- inside -----------------------------------------------------------------------------------------------

    def _names(self, in_file: bool) -> list[str]:
        return [name for name, secret in self._secrets.items() if (secret.reference.where == "secretsfile") is in_file]

    async def _refresh_forever(self) -> None:
        while True:
            is_whole = all(secret.is_known for secret in self._secrets.values())
            await self._clock.sleep(
                self._refresh_seconds if is_whole else min(RENEW_SECONDS_MIN, self._refresh_seconds)
            )
            try:
                await self.refresh()
            except Exception:
                _log.exception("secrets cannot be read again; trying later")
