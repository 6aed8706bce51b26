"""The tables of `knowledge.db` and the statements over them.

`scope` stands for tenant and collection (`Scope.key`); it is a word of the index too, so that a search reads no other
collection's rows. `number` grows with every passage and is never given twice.
"""

from collections.abc import Sequence

from AgentOperatingSystem.storage.sqlite.engine import Parameters, Statement

ENTRY_FIELDS = ("source", "title", "digest", "characters", "passages", "added_at")
PASSAGE_FIELDS = ("id", "source", "title", "heading", "page", "start", "stop", "text")
COLLECTION_FIELDS = ("name", "embedder", "dimensions", "version", "epoch", "passages")
_ENTRY = ", ".join(ENTRY_FIELDS)
_PASSAGE = ", ".join(PASSAGE_FIELDS)
_COLLECTION = (
    "SELECT name, embedder, dimensions, version, epoch,"
    " (SELECT coalesce(sum(documents.passages), 0) FROM documents WHERE documents.scope = collections.scope)"
    " FROM collections"
)

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS collections (scope TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL,
    embedder TEXT NOT NULL, dimensions INTEGER NOT NULL, version INTEGER NOT NULL, epoch INTEGER NOT NULL)
    WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS documents (scope TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL,
    digest TEXT NOT NULL, characters INTEGER NOT NULL, passages INTEGER NOT NULL, added_at REAL NOT NULL,
    PRIMARY KEY (scope, source)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS passages (number INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL,
    id TEXT NOT NULL, source TEXT NOT NULL, title TEXT NOT NULL, heading TEXT NOT NULL, page INTEGER,
    start INTEGER NOT NULL, stop INTEGER NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS passages_by_id ON passages (scope, id)",
    "CREATE INDEX IF NOT EXISTS passages_by_source ON passages (scope, source)",
    """CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (scope, heading, text, content = 'passages',
    content_rowid = 'number', tokenize = 'porter unicode61')""",
    """CREATE TRIGGER IF NOT EXISTS words_in AFTER INSERT ON passages BEGIN
    INSERT INTO words (rowid, scope, heading, text) VALUES (new.number, new.scope, new.heading, new.text); END""",
    """CREATE TRIGGER IF NOT EXISTS words_out AFTER DELETE ON passages BEGIN INSERT INTO words
    (words, rowid, scope, heading, text) VALUES ('delete', old.number, old.scope, old.heading, old.text); END""",
)

COLLECTION = f"{_COLLECTION} WHERE scope = ?"
COLLECTIONS = f"{_COLLECTION} WHERE tenant = ? ORDER BY name"
ENTRY = f"SELECT {_ENTRY} FROM documents WHERE scope = ? AND source = ?"
ENTRIES = f"SELECT {_ENTRY} FROM documents WHERE scope = ? AND source > ? ORDER BY source LIMIT ?"
PASSAGE = f"SELECT {_PASSAGE} FROM passages WHERE scope = ? AND id = ?"
BATCH = f"SELECT number, {_PASSAGE} FROM passages WHERE scope = ? AND number > ? ORDER BY number LIMIT ?"
BY_NUMBER = f"SELECT number, {_PASSAGE} FROM passages WHERE number IN ({{marks}})"
VECTORS = "SELECT number, vector FROM passages WHERE scope = ? AND number > ? ORDER BY number"
NUMBERS = "SELECT number FROM passages WHERE scope = ?"
# The heading counts twice as much as the text; the scope chooses and does not rank.
MATCHING = (
    f"SELECT {', '.join(f'passages.{field}' for field in PASSAGE_FIELDS)}"
    " FROM words JOIN passages ON passages.number = words.rowid"
    " WHERE words MATCH ? AND passages.scope = ?{condition} ORDER BY bm25(words, 0.0, 2.0, 1.0), number LIMIT ?"
)

# One that holds nothing is made over to the embedder that fills it.
ADD_COLLECTION = Statement(
    "INSERT INTO collections VALUES (?, ?, ?, ?, ?, 0, random()) ON CONFLICT (scope) DO UPDATE SET"
    " embedder = excluded.embedder, dimensions = excluded.dimensions, epoch = random()"
    " WHERE (embedder, dimensions) != (excluded.embedder, excluded.dimensions)"
    " AND NOT EXISTS (SELECT 1 FROM passages WHERE passages.scope = collections.scope)",
    0,
)
MOVE = Statement(
    "UPDATE collections SET version = version + 1 WHERE scope = ? AND embedder = ? AND dimensions = ?", 1, True
)
TOUCH = Statement("UPDATE collections SET version = version + 1 WHERE scope = ?", 1)
RENEW_COLLECTION = Statement(
    "UPDATE collections SET embedder = ?, dimensions = ?, version = version + 1, epoch = random()"
    " WHERE scope = ? AND version = ?",
    1,
    True,
)
DROP_PASSAGES_OF = Statement("DELETE FROM passages WHERE scope = ? AND source = ?", 2)
DROP_DOCUMENT = Statement("DELETE FROM documents WHERE scope = ? AND source = ?", 3)
ADD_DOCUMENT = Statement(f"INSERT INTO documents (scope, {_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?)", 4)
ADD_PASSAGE = Statement(f"INSERT INTO passages (scope, {_PASSAGE}, vector) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", 5)
RENEW = Statement("UPDATE passages SET vector = ? WHERE number = ?", 6, True)
DROP_ALL = (
    Statement("DELETE FROM passages WHERE scope = ?", 7),
    Statement("DELETE FROM documents WHERE scope = ?", 8),
    Statement("DELETE FROM collections WHERE scope = ?", 9),
)


def among(sources: Sequence[str], table: str = "") -> tuple[str, Parameters]:
    """A condition on `source`, to be put behind another one, and its values; nothing where all are meant."""
    if not sources:
        return "", ()
    exact = [source for source in sources if not source.endswith("*")]
    beginnings = [source[:-1] for source in sources if source.endswith("*")]
    parts = [f"{table}source IN ({', '.join('?' * len(exact))})"] if exact else []
    parts += [f"substr({table}source, 1, ?) = ?" for _ in beginnings]
    values = [value for beginning in beginnings for value in (len(beginning), beginning)]
    return f" AND ({' OR '.join(parts)})", (*exact, *values)
