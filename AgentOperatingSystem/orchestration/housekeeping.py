"""Housekeeping: what has ended long ago goes, and what nobody refers to. A schedule of the system itself.

Run every hour by the composition, in bounded parts. What is open (parked, waiting, in doubt, quarantined) is never
touched, however old: an answer that comes after 45 days still finds its event's steps.
"""

import logging
from collections.abc import Awaitable, Callable

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.retention import expire, trim_states
from AgentOperatingSystem.storage.collector import collect

DAY_SECONDS = 86_400.0
HOUSEKEEPING_SECONDS = 3600.0
_log = logging.getLogger(__name__)


class Housekeeping:
    """One system's housekeeping; `prune` deletes publications that are older than the time that it is given, and
    `collect_own` blobs of the store's own, where it has any, that are older than so many seconds.
    """

    def __init__(
        self,
        parts: Parts,
        config: AOSConfig,
        prune: Callable[[float], Awaitable[object]],
        collect_own: Callable[[float], Awaitable[int]] | None = None,
    ) -> None:
        self._parts = parts
        self._config = config
        self._prune = prune
        self._collect_own = collect_own
        self._since = 0.0

    async def run_forever(self) -> None:
        """Runs every hour, whatever happens; the chore of a host."""
        while True:
            await self._parts.clock.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self.run()
            except Exception:
                _log.exception("housekeeping failed; trying again in %g s", HOUSEKEEPING_SECONDS)

    async def run(self) -> int:
        """Deletes events that ended longer ago than `dedupe_days` and `history_days` with their steps, old
        publications, states beyond `history_states_max`, and blobs that nobody refers to.

        Answers how many rows and blobs are gone. Raises `StoreUnavailable`; the next run goes on where it ended.
        """
        parts, config, now = self._parts, self._config, self._parts.clock.now()
        before = now - max(config.dedupe_days, config.history_days) * DAY_SECONDS
        rows = await expire(parts, before)
        rows += await trim_states(parts, config.history_states_max, self._since)
        self._since = now - HOUSEKEEPING_SECONDS  # what changed meanwhile is looked at twice, and nothing never
        await self._prune(before)
        longest_turn = 2 * config.turn_timeout_seconds + config.drain_timeout_seconds
        if self._collect_own is not None:
            rows += await self._collect_own(longest_turn)
        return rows + await collect(parts.store, parts.blobs, longest_turn, parts.clock)
