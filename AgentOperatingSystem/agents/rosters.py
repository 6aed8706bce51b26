"""A team's saved AutoGen state, fitted to members that have changed since: pure, on plain JSON.

AutoGen's `load_state` needs a state for every member and goes on at an index that means somebody else once the members
change. `AgentTeam` calls `fitted` before it loads; `misdirected` tells where a Swarm would refuse to go on.
"""

from collections.abc import Sequence
from typing import Any

State = dict[str, Any]


def fitted(state: State, before: Sequence[str], now: Sequence[str]) -> State:
    """The state for the members `now`: who stays keeps everything, who is new will read the whole conversation before
    speaking, who left is forgotten; the turn passes to whoever was next and is still there.
    """
    if list(before) == list(now):
        return state
    saved = state["agent_states"]
    manager_name = next(name for name in saved if name not in before)
    manager = saved[manager_name]
    heard = [message for message in manager["message_thread"] if is_said(message)]
    members = {name: saved[name] if name in before else _newcomer(heard) for name in now}
    return {**state, "agent_states": {**members, manager_name: _fitted_manager(manager, before, now)}}


def is_said(message: State) -> bool:
    """Whether a message of the thread is said to all, and not an event within one member's turn."""
    return not str(message["type"]).endswith("Event")


def misdirected(state: State, now: Sequence[str]) -> str:
    """The member to hand over to, where the last handoff of a Swarm names nobody who is there; else empty.

    Whoever made that handoff gets the word back; the first member, where he is gone too.
    """
    threads = [each["message_thread"] for each in state["agent_states"].values() if "message_thread" in each]
    handoffs = (message for message in reversed(threads[0]) if message["type"] == "HandoffMessage")
    last = next(handoffs, None)
    if last is None or last["target"] in now:
        return ""
    return last["source"] if last["source"] in now else now[0]


def _newcomer(heard: list[State]) -> State:
    agent = {"type": "AssistantAgentState", "version": "1.0.0", "llm_context": {"messages": []}}
    return {"type": "ChatAgentContainerState", "version": "1.0.0", "agent_state": agent, "message_buffer": heard}


def _fitted_manager(manager: State, before: Sequence[str], now: Sequence[str]) -> State:
    changed = dict(manager)
    if "next_speaker_index" in manager:
        changed["next_speaker_index"] = _next_index(manager["next_speaker_index"], before, now)
    if manager.get("previous_speaker") not in now and "previous_speaker" in manager:
        changed["previous_speaker"] = None
    if manager.get("current_speaker") not in now and "current_speaker" in manager:
        changed["current_speaker"] = now[0]
    return changed


def _next_index(index: int, before: Sequence[str], now: Sequence[str]) -> int:
    """Where `now` has the first of `before`, from `index` on, who is still there."""
    order = [*before[index:], *before[:index]]
    return next((list(now).index(name) for name in order if name in now), 0)
