"""What calls came to whose turn was taken over before they ended: told beside the agent, so that nobody's fence moves.

The meter of the host that was overtaken writes it; the next meter of the agent, which has charged the call in full,
reads it and corrects the charge.
"""

import logging
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from AgentOperatingSystem.agents.budgets import Amounts
from AgentOperatingSystem.errors import AOSError
from AgentOperatingSystem.events import encode
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.orchestration.budgets.book import Hold
from AgentOperatingSystem.orchestration.budgets.rules import DAY_SECONDS, LEDGER
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.storage.records import Row

LATE = "late"
_PAGE = 64
_log = logging.getLogger(__name__)


class Late(msgspec.Struct, frozen=True):
    """What one call came to, and when that was told."""

    amounts: Amounts
    at: float


async def tell(parts: Parts, agent: AgentId, actual: Mapping[str, Amounts]) -> None:
    """Writes what calls came to. Where that cannot be written, their full charge stays: nothing is raised."""
    place = _place(agent)
    now = parts.clock.now()

    async def rows() -> tuple[Row, ...]:
        page = await parts.store.rows(place, LATE, limit=_PAGE)
        old = [row for row in page.items if row.value is not None and _decode(row.value).at < now - DAY_SECONDS]
        new = [Row(LATE, step, encode(Late(amounts, now))) for step, amounts in actual.items()]
        return (*(Row(LATE, row.name, None) for row in old if row.name not in actual), *new)

    try:
        await ContextMCPServer(place, parts.store, parts.blobs, parts.clock).edit(rows)
    except AOSError as error:
        _log.warning("%s: what a late call used stays charged in full: %s", agent, error)


async def told(parts: Parts, agent: AgentId, charged: Mapping[str, Hold]) -> dict[str, Amounts]:
    """What was told of these calls, by their steps."""
    page = await parts.store.rows(_place(agent), LATE, limit=1000)
    found = {row.name: row.value for row in page.items if row.value is not None}
    names = {step: name_of(step, hold) for step, hold in charged.items()}
    return {step: _decode(found[name]).amounts for step, name in names.items() if name in found}


def name_of(step: str, hold: Hold) -> str:
    """One call of a step: what an earlier try of it came to says nothing of a later one."""
    return f"{step}@{hold.at!r}"


def _place(agent: AgentId) -> AgentId:
    return AgentId(LEDGER, f"late/{sha256(str(agent).encode()).hexdigest()[:32]}", agent.tenant)


def _decode(value: bytes) -> Late:
    return msgspec.json.decode(value, type=Late)
