"""One PostgreSQL database: a pool of connections, statements that are tried again, and the tables of `schema`.

The stores and the bus of one system share one `Database`. Errors of asyncpg end here: what may be tried again is
`Interrupted`, and what was tried often enough is `StoreUnavailable`. This is the only module that imports asyncpg.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from AgentOperatingSystem.config.references import renewed
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput, StoreUnavailable
from AgentOperatingSystem.storage.postgres.schema import STEPS

try:
    import asyncpg
except ImportError as error:
    raise ConfigurationError(
        f"storage on PostgreSQL needs the package {error.name}: pip install 'agent-operating-system[postgres]'"
    ) from None

ATTEMPTS_MAX: Final = 6
PAUSE_SECONDS: Final = 0.05
PAUSE_SECONDS_MAX: Final = 1.0
CONNECT_SECONDS_MAX: Final = 10.0
_LOCK: Final = 0x616F73  # "aos"
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,47}")
_AGAIN: Final = ("08", "40", "53", "57P", "25006", "55P03", "58")
"""SQLSTATEs, by their beginnings, that another try may not meet: connection, rollback, resources, operator
intervention, a standby that was not promoted yet, a lock, the system. PostgreSQL documentation, appendix A."""
_LOST: Final = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Raised by asyncpg itself where a connection is gone, the second one where that happens between two of its steps."""
_log = logging.getLogger(__name__)


class Interrupted(Exception):
    """A statement was not answered, or was rolled back; trying again is right."""

    def __init__(self, message: str, *, doubtful: bool) -> None:
        super().__init__(message)
        self.doubtful = doubtful
        """Whether it may have been carried out all the same."""


class NotUnique(Exception):
    """A row to insert exists; nothing of the statement was carried out."""


class _Connection(asyncpg.Connection):
    """Its session holds nothing that the next user could see, so that giving it back costs no round trip."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A schema of one database. `open` it within a running event loop."""

    def __init__(
        self, url: str, schema: str = "aos", connections_max: int = 10, rotated: SecretStr | None = None
    ) -> None:
        """`rotated` is the setting that `url` was read from, where that may change: each new connection takes the
        password that it holds then.
        """
        if not _SCHEMA.fullmatch(schema):
            raise ConfigurationError(
                f"database_schema {schema!r}: needs lower-case letters, digits and '_', at most 48"
            )
        self.schema = schema
        self.statements = 0
        """How many statements were sent that write: each is one transaction."""
        self.under_way = 0
        """How many statements wait for their answer now."""
        self._url = url
        self._connections_max = connections_max
        self._rotated = rotated
        self._used = url
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Connects, and makes the tables where they are missing, one host after the other.

        Raises `ConfigurationError` where the address or the password is wrong or the tables are of a newer version,
        `StoreUnavailable` where the server cannot be reached.
        """
        with _connecting(self.schema):
            self._pool = await asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=self._connections_max,
                max_inactive_connection_lifetime=0,
                connection_class=_Connection,
                timeout=CONNECT_SECONDS_MAX,
                server_settings=self._settings(),
                **self._password(),
            )
            async with self._pool.acquire() as connection:
                await self._migrate(connection)

    async def close(self) -> None:
        """Waits for what is under way. Closing twice is the same as once."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()

    async def write(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """As `read`; counted."""
        return await self._until_done(sql, values, writes=True)

    async def read(self, sql: str, *values: Any) -> list[Any]:
        """The rows that a statement answers; it must be one that may be carried out twice.

        Raises `NotUnique`, `InvalidInput` where a value cannot be stored, `StoreUnavailable`.
        """
        return await self._until_done(sql, values, writes=False)

    async def once(self, sql: str, values: Sequence[Any], *, writes: bool = True) -> list[Any]:
        """One try. Raises as `read` does, and `Interrupted`."""
        if self._pool is None:
            raise StoreUnavailable("the database is closed")
        self.under_way += 1
        sent = False
        try:
            async with self._pool.acquire() as connection:
                sent = True
                self.statements += writes
                return list(await connection.fetch(sql, *values))
        except asyncpg.UniqueViolationError as error:
            raise NotUnique(str(error)) from error
        except asyncpg.InvalidAuthorizationSpecificationError as error:
            if not await self._is_rotated():
                raise StoreUnavailable(f"PostgreSQL refuses: {error}; is database_url out of date?") from error
            raise Interrupted("PostgreSQL refused a password that has been exchanged", doubtful=False) from error
        except (asyncpg.DataError, UnicodeError) as error:
            raise InvalidInput(f"a value that cannot be stored: {error}") from error
        except asyncpg.PostgresError as error:
            if not error.sqlstate.startswith(_AGAIN):
                raise StoreUnavailable(f"PostgreSQL refuses: {error} ({error.sqlstate})") from error
            doubtful = sent and not error.sqlstate.startswith(("40", "53", "25006", "55P03"))
            raise Interrupted(str(error), doubtful=doubtful) from error
        except (*_LOST, OSError, TimeoutError) as error:
            raise Interrupted(str(error) or type(error).__name__, doubtful=sent) from error
        finally:
            self.under_way -= 1

    async def listen(self, channel: str, heard: Callable[[str], None], lost: Callable[[], None]) -> Any:
        """A connection of its own that tells `heard` of notifications, until it is closed or `lost`.

        Raises `StoreUnavailable`.
        """
        connection = None
        try:
            connection = await asyncpg.connect(
                self._url, timeout=CONNECT_SECONDS_MAX, server_settings=self._settings(), **self._password()
            )
            connection.add_termination_listener(lambda _: lost())
            await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: heard(str(payload)))
        except BaseException as error:
            if connection is not None:
                connection.terminate()
            if isinstance(error, (asyncpg.PostgresError, *_LOST, OSError, TimeoutError)):
                raise StoreUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error
            raise
        return connection

    def _password(self) -> dict[str, Any]:
        """Asked by asyncpg before each connection; nothing where the address never changes or has no password."""
        if self._rotated is None or urlsplit(self._url).password is None:
            return {}
        return {"password": self._newest_password}

    def _newest_password(self) -> str:
        self._used = self._rotated.get_secret_value() if self._rotated is not None else self._url
        return unquote(urlsplit(self._used).password or "")

    async def _is_rotated(self) -> bool:
        """Whether the address that was refused is another one by now."""
        return await renewed(self._rotated, self._used)

    def _settings(self) -> dict[str, str]:
        return {"search_path": self.schema, "application_name": "aos", "jit": "off"}

    async def _until_done(self, sql: str, values: Sequence[Any], *, writes: bool) -> list[Any]:
        attempt = 1
        while True:
            try:
                return await self.once(sql, values, writes=writes)
            except Interrupted as error:
                await pause(attempt, error)
                attempt += 1

    async def _migrate(self, connection: Any) -> None:
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext('{self.schema}'))")
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")
            await connection.execute("CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value text NOT NULL)")
            taken = int(await connection.fetchval("SELECT value FROM meta WHERE name = 'version'") or 0)
            if taken > len(STEPS):
                raise ConfigurationError(
                    f"the tables in schema {self.schema} are of version {taken}; this build knows {len(STEPS)}: "
                    "install the newer version here too"
                )
            if taken < len(STEPS):
                await connection.execute(";\n".join(sql for step in STEPS[taken:] for sql in step))
                sql = "INSERT INTO meta VALUES ('version', $1) ON CONFLICT (name) DO UPDATE SET value = $1"
                await connection.execute(sql, str(len(STEPS)))


async def looked_at(url: str, schema: str) -> str:
    """What the server says to somebody who only reads: its version, and whether the tables are there. Makes nothing.

    Raises `ConfigurationError`, `StoreUnavailable` as `Database.open` does.
    """
    with _connecting(schema):
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
        try:
            server = await connection.fetchval("SHOW server_version")
            if not await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{schema}.meta"):
                may = await connection.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
                if not may and not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
                    raise ConfigurationError(f"database_url: its user may not make the schema {schema}")
                return f"PostgreSQL {server} answers; the first start makes the tables in schema {schema}"
            taken = await connection.fetchval(f"SELECT value FROM {schema}.meta WHERE name = 'version'")
        finally:
            await connection.close()
    if int(taken or 0) > len(STEPS):
        raise ConfigurationError(f"the tables in schema {schema} are of version {taken}; this build knows {len(STEPS)}")
    return f"PostgreSQL {server} answers; the tables in schema {schema} are of version {taken}"


@contextmanager
def _connecting(schema: str) -> Iterator[None]:
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(f"database_url: {error}") from None
    except (ValueError, asyncpg.ClientConfigurationError):  # whose text may repeat a part of the password
        raise ConfigurationError(
            "database_url: is not understood; a password's special characters are written as %40 for @ and the like"
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(f"database_url: its user may not make the schema {schema}: {error}") from None
    except (asyncpg.PostgresError, *_LOST, OSError, TimeoutError) as error:
        raise StoreUnavailable(f"PostgreSQL: {str(error) or type(error).__name__}") from error


async def pause(attempt: int, error: Interrupted) -> None:
    """Waits before the next attempt. Raises `StoreUnavailable` where this was the last."""
    if attempt >= ATTEMPTS_MAX:
        raise StoreUnavailable(f"PostgreSQL: {error}; gave up after {attempt} tries") from error
    _log.warning("PostgreSQL: %s; trying again", error)
    longest = min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2**attempt)
    await asyncio.sleep(longest * (0.5 + random.random() / 2))
