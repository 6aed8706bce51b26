"""The statements of the bus: what is sent, taken, claimed and handed out again.

Used by `PostgresBus` alone. An agent has at most one row in `turns`: the lease of the host that has its turn. It holds
as long as the host's own row in `hosts` does, which the host renews; so a lease costs nothing to keep. Time is the
database's where hosts are compared, and the host's own where a message is due.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from AgentOperatingSystem.events import Event, Message
from AgentOperatingSystem.storage.postgres.statements import FENCED, Part

_encode = msgspec.json.Encoder().encode

FIRST: Final = """SELECT id FROM queue q WHERE q.agent = {agent} AND q.due = 0 AND q.id <> ALL({without}::text[])
    AND q.seq < coalesce((SELECT min(seq) FROM queue o WHERE o.agent = {agent} AND o.due = 0 AND o.owner <> ''
                          AND o.owner <> {host}), 9223372036854775807)
    ORDER BY q.seq LIMIT CASE WHEN EXISTS (SELECT FROM queue s WHERE s.agent = {agent} AND s.crashes > 0
                                           AND s.id <> ALL({without}::text[])) THEN 1 ELSE {most}::bigint END"""
"""The ids of an agent's next turn: its first messages, up to one that another host alone may take; just one, while one
of them is suspect."""
_FIRST_OF_FREE: Final = FIRST.format(agent="f.agent", host="$1", most="$2", without="ARRAY[]::text[]")
CLAIM: Final = f"""WITH seen AS MATERIALIZED (
      SELECT agent FROM queue q WHERE due = 0 AND owner IN ('', $1)
        AND NOT EXISTS (SELECT FROM turns t WHERE t.agent = q.agent)
        AND NOT EXISTS (SELECT FROM queue p WHERE p.agent = q.agent AND p.due = 0 AND p.seq < q.seq
                        AND p.owner <> '' AND p.owner <> $1)
      ORDER BY seq LIMIT $3 FOR UPDATE OF q SKIP LOCKED),
    free AS (SELECT DISTINCT agent FROM seen),
    claimed AS (
      INSERT INTO turns (agent, host, holds) SELECT agent, $1, ARRAY({_FIRST_OF_FREE}) FROM free f ORDER BY agent
      ON CONFLICT DO NOTHING RETURNING holds)
    SELECT q.agent, q.record, q.deliveries, q.crashes, q.seq, (SELECT count(*) FROM seen)
    FROM claimed c JOIN queue q ON q.id = ANY(c.holds) ORDER BY q.seq"""
"""$1 the host, $2 the most messages of a turn, $3 how many messages to look at."""
SEEN_MAX: Final = 64

DISOWN: Final = "UPDATE queue SET owner = '' WHERE id = $1"
PROMOTE: Final = """UPDATE queue q SET due = 0, seq = d.place FROM (
      SELECT id, nextval('places') AS place FROM (
        SELECT id FROM queue WHERE due > 0 AND due <= $1 ORDER BY due, seq LIMIT $2 FOR UPDATE SKIP LOCKED) o) d
    WHERE q.id = d.id"""
PROMOTED_MAX: Final = 1000

RENEW: Final = """INSERT INTO hosts VALUES ($1, clock_timestamp() + make_interval(secs => $2))
    ON CONFLICT (id) DO UPDATE SET until = excluded.until"""
LOOK: Final = """SELECT (SELECT min(due) FROM queue WHERE due > 0),
    (SELECT count(*) FROM (SELECT FROM queue WHERE due = 0 LIMIT $2) w),
    (SELECT count(*) FROM hosts WHERE id <> $1 AND until >= clock_timestamp()),
    EXISTS (SELECT FROM hosts WHERE id <> $1 AND until < clock_timestamp())
      OR EXISTS (SELECT FROM turns t WHERE NOT EXISTS (SELECT FROM hosts h WHERE h.id = t.host)),
    ARRAY(SELECT agent FROM turns WHERE host = $1)"""
LET_GO: Final = "DELETE FROM turns WHERE host = $1 AND agent = ANY($2::text[])"
BURY: Final = """WITH dead AS (DELETE FROM hosts WHERE id <> $1 AND until < clock_timestamp() RETURNING id),
    lost AS (DELETE FROM turns t WHERE t.host IN (SELECT id FROM dead)
               OR NOT EXISTS (SELECT FROM hosts h WHERE h.id = t.host) RETURNING holds),
    held AS (SELECT unnest(holds) AS id FROM lost)
    UPDATE queue q SET owner = CASE WHEN q.owner IN (SELECT id FROM dead) THEN '' ELSE q.owner END,
      crashes = q.crashes + (q.id IN (SELECT id FROM held))::int,
      deliveries = q.deliveries + (q.id IN (SELECT id FROM held))::int
    WHERE q.id IN (SELECT id FROM held) OR q.owner IN (SELECT id FROM dead)"""
LEAVE: Final = """WITH gone AS (DELETE FROM hosts WHERE id = $1), free AS (DELETE FROM turns WHERE host = $1)
    UPDATE queue SET owner = '' WHERE owner = $1"""
NEXT: Final = """SELECT q.agent, q.record, q.deliveries, q.crashes, q.seq
      FROM kept k JOIN queue q ON q.id = ANY(k.holds)
    UNION ALL SELECT agent, NULL, 0, 0, 0 FROM elsewhere WHERE NOT EXISTS (SELECT FROM kept)"""
"""What a settled turn's agent has next, under the same lease; a row without record where another host has to go on."""


def put(owner: str, messages: Sequence[Message], now: float) -> Part:
    """Keeps messages; `owner` is the host whose caller waits for their outcome, or empty."""
    sql = f"""INSERT INTO queue (id, agent, due, owner, record)
        SELECT n.id, n.agent, n.due, {{0}}::text, n.record
        FROM unnest({{1}}::text[], {{2}}::text[], {{3}}::float8[], {{4}}::bytea[]) WITH ORDINALITY
          AS n (id, agent, due, record, place) WHERE {FENCED} ORDER BY n.place ON CONFLICT (id) DO NOTHING"""
    columns: tuple[Any, ...] = (
        [message.id for message in messages],
        [message.agent.partition for message in messages if message.agent is not None],
        [message.due if message.due > now else 0.0 for message in messages],
        [_encode(message) for message in messages],
    )
    return Part("put", sql, (owner, *columns))


def publish(base: int, publications: Sequence[tuple[str, Event]]) -> Part:
    """Keeps publications for those who follow them, numbered by transaction.

    A later number may be committed before an earlier one, by another host. So the number begins with the transaction's
    own, and `PUBLICATIONS` shows none that a transaction under way might still come before.
    """
    sql = f"""INSERT INTO publications (seq, id, tenant, topic, at, record)
        SELECT {{0}}::bigint + (pg_current_xact_id()::text::bigint << 20) + n.place, n.id, n.tenant, n.topic, n.at,
          n.record
        FROM unnest({{1}}::text[], {{2}}::text[], {{3}}::text[], {{4}}::float8[], {{5}}::bytea[]) WITH ORDINALITY
          AS n (id, tenant, topic, at, record, place) WHERE {FENCED} ON CONFLICT (id) DO NOTHING"""
    events = [event for _, event in publications]
    columns: tuple[Any, ...] = (
        [name for name, _ in publications],
        [event.tenant for event in events],
        [event.topic for event in events],
        [event.time for event in events],
        [_encode(event) for event in events],
    )
    return Part("published", sql, (base, *columns))


SETTLED: Final = "$1::bigint + (pg_snapshot_xmin(pg_current_snapshot())::text::bigint << 20)"
"""Below this number, nothing new can appear."""
PUBLICATIONS: Final = f"""SELECT seq, record FROM publications
    WHERE seq > $2 AND seq < {SETTLED} AND tenant = $3 ORDER BY seq LIMIT $4"""
LAST_PUBLICATION: Final = f"SELECT coalesce(max(seq), 0) FROM publications WHERE seq < {SETTLED}"
PRUNE: Final = """DELETE FROM publications WHERE seq IN (SELECT seq FROM publications
    WHERE at < $1 AND seq < (SELECT max(seq) FROM publications) ORDER BY seq LIMIT $2)"""
REBASE: Final = """UPDATE meta SET value = (SELECT coalesce(max(seq), 0) FROM publications)::text
    WHERE name = 'publications_base' AND (SELECT coalesce(max(seq), 0) FROM publications)
      >= value::bigint + ((pg_current_xact_id()::text::bigint + 1) << 20)"""
"""In a database that was restored into another server, transactions may count from below what was published."""
BASE: Final = "SELECT value::bigint FROM meta WHERE name = 'publications_base'"


def taken(receipts: Sequence[str]) -> Part:
    """Consumes messages for good."""
    return Part("taken", f"DELETE FROM queue WHERE id = ANY({{0}}::text[]) AND {FENCED}", (list(receipts),))


def turn_over(host: str, agent: str, receipts: Sequence[str], most: int) -> list[Part]:
    """The turn of an agent ends: its lease goes, or stays for the agent's next messages, which are in `kept`."""
    following = FIRST.format(agent="{0}", host="{1}", without="{2}", most="{3}")
    kept = f"""UPDATE turns SET holds = ARRAY(SELECT id FROM following) WHERE agent = {{0}} AND host = {{1}}
        AND {FENCED} AND EXISTS (SELECT FROM following) RETURNING holds"""
    released = f"""DELETE FROM turns WHERE agent = {{0}} AND host = {{1}} AND {FENCED}
        AND NOT EXISTS (SELECT FROM following)"""
    elsewhere = """SELECT agent FROM queue WHERE agent = {0} AND due = 0 AND id <> ALL({1}::text[]) AND owner <> ''
        AND owner <> {2} LIMIT 1"""
    return [
        Part("following", following, (agent, host, list(receipts), most)),
        Part("kept", kept, (agent, host)),
        Part("released", released, (agent, host)),
        Part("elsewhere", elsewhere, (agent, list(receipts), host)),
    ]


def handed_back(receipts: Sequence[str], deliveries: int) -> Part:
    """Notes how often the messages of a turn were handed out."""
    return Part("again", "UPDATE queue SET deliveries = {1} WHERE id = ANY({0}::text[])", (list(receipts), deliveries))
