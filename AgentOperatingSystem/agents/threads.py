"""A team's saved AutoGen state, kept within a budget of tokens: pure, on plain JSON.

`AgentTeam` calls `bounded` after each event. The team's thread, each member's context and what a member has not read
yet are cut in the same way as a conversation's window (`windowing.py`): a call and its results stay together, and what
fell out is there as an extract, which says what it is.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from AgentOperatingSystem.agents.conversation import SUMMARY_LABEL
from AgentOperatingSystem.agents.summaries import Summary, extract
from AgentOperatingSystem.agents.windowing import BYTES_PER_TOKEN, MESSAGE_TOKENS, begin_within
from AgentOperatingSystem.ml.messages import ModelMessage, Role, TextPart

State = dict[str, Any]
_ROLES: dict[str, Role] = {
    "UserMessage": "user",
    "SystemMessage": "system",
    "FunctionExecutionResultMessage": "tool",
    "ToolCallExecutionEvent": "tool",
}
"""By AutoGen's types; what the user said in a thread is the user's, all else the assistant's."""


def bounded(state: State, tokens_max: int) -> State:
    """The state with every thread that is over `tokens_max` cut to half of it; the very same object where none is."""
    before = state["agent_states"]
    after = {name: _bounded(each, tokens_max) for name, each in before.items()}
    if all(after[name] is before[name] for name in before):
        return state
    return {**state, "agent_states": after}


def _bounded(each: State, tokens_max: int) -> State:
    """The state of one member, or of whoever leads."""
    changed = dict(each)
    for name in ("message_thread", "message_buffer"):
        if name in each:
            changed[name] = _cut(each[name], tokens_max, lambda text: _told("TextMessage", text))
    context = each.get("agent_state", {}).get("llm_context", {})
    if "messages" in context:
        kept = _cut(context["messages"], tokens_max, lambda text: _told("UserMessage", text))
        if kept is not context["messages"]:
            changed["agent_state"] = {**each["agent_state"], "llm_context": {**context, "messages": kept}}
    return changed if any(changed[name] is not each[name] for name in each) else each


def _cut(messages: list[State], tokens_max: int, told: Callable[[str], State]) -> list[State]:
    if sum(map(_tokens_of, messages)) <= tokens_max:
        return messages
    ours = [_message(message) for message in messages]
    begin = begin_within(ours, tokens_max // 2, len(ours))
    out, before = ours[:begin], Summary()
    if out and out[0].text.startswith(SUMMARY_LABEL):
        before, out = Summary(out[0].text.removeprefix(SUMMARY_LABEL)), out[1:]
    if not out:
        return messages
    return [told(SUMMARY_LABEL + extract(before, out, tokens_max // 4).text), *messages[begin:]]


def _tokens_of(message: State) -> int:
    """As `windowing.tokens_of`, on AutoGen's JSON: looked at for every message after every event."""
    text = _text(message)
    return MESSAGE_TOKENS + (len(text) if text.isascii() else len(text.encode())) // BYTES_PER_TOKEN


def _text(message: State) -> str:
    content = message.get("content", "")
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()


def _message(message: State) -> ModelMessage:
    """One of AutoGen's messages, for its length and its place alone."""
    default: Role = "user" if message.get("source") == "user" else "assistant"
    return ModelMessage(role=_ROLES.get(message["type"], default), parts=(TextPart(_text(message)),))


def _told(kind: str, text: str) -> State:
    return {"type": kind, "source": "user", "content": text}
