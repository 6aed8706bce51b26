"""The password of a database is exchanged while a system runs on it."""

from collections.abc import Iterator

import pytest

from AgentOperatingSystem.config.connection_strings import check_database
from AgentOperatingSystem.config.references import LiveSecret, Reference
from AgentOperatingSystem.errors import StoreUnavailable
from AgentOperatingSystem.storage.postgres.database import Database
from tests import postgres

FIRST, SECOND = "canary-the-first", "canary/the second"


@pytest.fixture(scope="module")
def guarded() -> Iterator[postgres.Server]:
    """A server that asks for a password."""
    server = postgres.start()
    postgres.query(f"ALTER ROLE {postgres.USER} PASSWORD '{FIRST}'", server.url)
    (server.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    postgres.query("SELECT pg_reload_conf()", server.url)
    yield server
    server.process.terminate()
    server.process.wait(30)


def url_of(server: postgres.Server, password: str) -> str:
    return server.url.replace("@", f":{password}@")


async def test_new_connections_take_the_new_password(guarded: postgres.Server) -> None:
    secret = LiveSecret("keyvault://database", Reference("keyvault", "database"), check_database)
    secret.put(url_of(guarded, FIRST))
    vault = [url_of(guarded, FIRST)]

    async def renew() -> None:
        secret.put(vault[0])

    secret.renew = renew
    database = Database(secret.get_secret_value(), rotated=secret)
    await database.open()
    try:
        await database.write(f"ALTER ROLE {postgres.USER} PASSWORD '{SECOND}'", ())
        assert await database.read("SELECT 1 AS one")  # a connection that is open stays
        with pytest.raises(StoreUnavailable, match="is database_url out of date") as refused:
            await database.write("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", ("aos",))
        assert "canary" not in str(refused.value)
        vault[0] = url_of(guarded, "canary%2Fthe%20second")
        assert [row["one"] for row in await database.read("SELECT 1 AS one")] == [1]
    finally:
        await database.close()
