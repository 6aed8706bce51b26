"""Was the order kept? First attempts per agent and sender in the order of sending; ledgers of strict agents likewise.
Pure.

Asked only of worlds whose broker keeps the order of an agent's messages: without that, no system behind it could.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.proof.simulator.actions import actions_of
from AgentOperatingSystem.proof.simulator.actors import children
from AgentOperatingSystem.proof.simulator.judge import Final
from AgentOperatingSystem.storage.records import EventRow, Status


def disorders(
    plain: dict[tuple[str, str], list[str]],
    finals: dict[AgentId, Final],
    attempts: dict[AgentId, dict[str, None]],
    strict: Iterable[str],
) -> Iterator[str]:
    """What came out of order, in words."""
    strict = set(strict)
    for (sender, name), sent in plain.items():
        agent = AgentId.parse(name)
        yield from _out_of_order(f"first attempts of {sender} at {agent}", sent, list(attempts.get(agent, ())))
        if agent.name in strict and agent in finals:
            rows = finals[agent].rows
            undisturbed = [key for key in sent if key in rows and not rows[key].event.generation]
            yield from _out_of_order(f"strict {agent} of {sender}", undisturbed, finals[agent].state.get("ledger", []))
    for sender_id, final in finals.items():
        for agent, sent in _sendings(final).items():
            yield from _out_of_order(f"first attempts of {sender_id} at {agent}", sent, list(attempts.get(agent, ())))


def _sendings(final: Final) -> dict[AgentId, list[str]]:
    """What one agent sent to each other one, in the order of its commits; what was sent for later is left out."""
    sent: dict[AgentId, list[str]] = {}
    for key in final.state.get("ledger", []):
        row = final.rows.get(key)
        if row is not None and row.status is Status.DONE:
            for agent, child in _at_once(row):
                sent.setdefault(agent, []).append(child)
    return sent


def _at_once(row: EventRow) -> Iterator[tuple[AgentId, str]]:
    later = {place for place, action in enumerate(_talks(row)) if action[0] == "send" and len(action) > 3 and action[3]}
    for place, child in enumerate(children(row.event)):
        if child.agent is not None and place not in later:
            yield child.agent, child.key


def _talks(row: EventRow) -> list[list[object]]:
    """One entry per output."""
    found = []
    for action in actions_of(row.event):
        if action[0] in ("send", "request", "publish"):
            found.append(action)
        elif action[0] == "storm":
            found += [action] * action[2]
    return found


def _out_of_order(what: str, sent: list[str], seen: list[str]) -> Iterator[str]:
    places = {key: place for place, key in enumerate(seen)}
    known = [key for key in sent if key in places]
    for earlier, later in pairwise(known):
        if places[earlier] > places[later]:
            yield f"order: {what}: {later} before {earlier}"
            return
