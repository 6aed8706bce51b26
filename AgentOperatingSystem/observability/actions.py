"""What agents do, and what they know, as the metrics of specification row 208: `agent_actions_total`,
`agent_action_duration_seconds`, `agent_memory_bytes`.

Told by the kernel at the end of each event, and by the memory when it is written. An `@Action` goes by its name, every
other event as `event`: types are the senders' own, and would be series without end. The first `AGENTS_MAX` agents of a
process are counted by name, all others together.
"""

from typing import Final

from AgentOperatingSystem.observability import metrics

ACTIONS: Final = "agent.actions"  # a counter: exported with `_total`
SECONDS: Final = "agent_action_duration_seconds"
MEMORY: Final = "agent_memory_bytes"
AGENTS_MAX: Final = 200
OTHERS: Final = "(others)"
_ACTION: Final = "action."
_EVENT: Final = "event"
_named: set[str] = set()

metrics.describe(ACTIONS, "Actions and other events that agents handled, by how they ended: success or error.")
metrics.describe(SECONDS, "How long the last try of an action or another event took, in seconds.")
metrics.describe(MEMORY, "What an agent knew when it was last awake, in bytes: its state, its knowledge.")


def acted(agent_id: str, event_type: str, status: str, seconds: float) -> None:
    """A try has ended, well (`success`) or badly (`error`)."""
    kind = event_type.removeprefix(_ACTION) if event_type.startswith(_ACTION) else _EVENT
    agent_id = agent_id if _has_name(agent_id) else OTHERS
    metrics.increment(ACTIONS, agent_id=agent_id, action_type=kind, status=status)
    metrics.histogram(SECONDS, max(0.0, seconds), agent_id=agent_id, action_type=kind)


def knows(agent_id: str, kind: str, size_bytes: int) -> None:
    """How large an agent's `state` or `knowledge` is now; of the others nothing is kept."""
    if _has_name(agent_id):
        metrics.gauge(MEMORY, size_bytes, agent_id=agent_id, memory_type=kind)


def _has_name(agent_id: str) -> bool:
    if agent_id in _named:
        return True
    if len(_named) >= AGENTS_MAX:
        return False
    _named.add(agent_id)
    return True
