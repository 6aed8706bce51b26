"""The tables, as numbered steps; `Database.open` takes the steps that a database has not taken yet.

A step that has shipped never changes: what comes later is a further step. Text is compared by code point (`COLLATE
"C"`), as every store does; what may hold any character at all, NUL included, lies in `bytea`.
"""

from typing import Final

OPEN: Final = "status NOT IN ('done', 'failed', 'cancelled')"
"""What the index of open events holds; a query has to say it in these words to be answered from it."""

STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE heads (
             agent text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, commit uuid NOT NULL,
             record bytea NOT NULL, state bytea NOT NULL) WITH (fillfactor = 80)""",
        """CREATE TABLE events (
             agent text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, version bigint NOT NULL,
             status text COLLATE "C" NOT NULL, place bigint NOT NULL, due double precision NOT NULL,
             record bytea NOT NULL, PRIMARY KEY (agent, key))""",
        "CREATE INDEX events_by_version ON events (agent, version, key)",
        f"CREATE INDEX events_not_ended ON events (status, agent, place) WHERE {OPEN}",
        """CREATE TABLE rows (
             agent text COLLATE "C" NOT NULL, kind text COLLATE "C" NOT NULL, name bytea NOT NULL,
             value bytea NOT NULL, PRIMARY KEY (agent, kind, name))""",
        """CREATE TABLE blobs (
             name text COLLATE "C" PRIMARY KEY, put_at double precision NOT NULL, content bytea NOT NULL)""",
        "ALTER TABLE blobs ALTER content SET STORAGE EXTERNAL",
        "CREATE SEQUENCE places",
        """CREATE TABLE queue (
             id text COLLATE "C" PRIMARY KEY, seq bigint NOT NULL DEFAULT nextval('places'),
             agent text COLLATE "C" NOT NULL, due double precision NOT NULL, owner text COLLATE "C" NOT NULL,
             deliveries int NOT NULL DEFAULT 0, crashes int NOT NULL DEFAULT 0, record bytea NOT NULL)""",
        "CREATE INDEX queue_waiting ON queue (seq) WHERE due = 0",
        "CREATE INDEX queue_by_agent ON queue (agent, seq) WHERE due = 0",
        "CREATE INDEX queue_owned ON queue (agent, seq) WHERE due = 0 AND owner <> ''",
        "CREATE INDEX queue_suspect ON queue (agent) WHERE crashes > 0",
        "CREATE INDEX queue_scheduled ON queue (due, seq) WHERE due > 0",
        """CREATE TABLE hosts (id text COLLATE "C" PRIMARY KEY, until timestamptz NOT NULL)""",
        """CREATE TABLE turns (
             agent text COLLATE "C" PRIMARY KEY, host text COLLATE "C" NOT NULL, holds text[] NOT NULL)""",
        "CREATE INDEX turns_by_host ON turns (host)",
        """CREATE TABLE publications (
             seq bigint PRIMARY KEY, id text COLLATE "C" UNIQUE NOT NULL, tenant text COLLATE "C" NOT NULL,
             topic text NOT NULL, at double precision NOT NULL, record bytea NOT NULL)""",
        "INSERT INTO meta VALUES ('publications_base', '0')",
    ),
)
"""`seq` of the queue is an agent's order. `due` 0 means that a message waits for a turn; one that is due gets a new
place. `owner` is the host whose caller waits for the outcome, so that host alone may take it."""
