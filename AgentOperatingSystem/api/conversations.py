"""An agent's conversations: the list, what was said in one, and its deletion."""

from typing import Any

import msgspec
from fastapi import APIRouter, Query, Response

from AgentOperatingSystem.agents.conversation import Conversation, ConversationHead, Entry, heads
from AgentOperatingSystem.api.answers import answer
from AgentOperatingSystem.api.door import After, Door, Key, Limit, TheDoor
from AgentOperatingSystem.api.openapi import documented
from AgentOperatingSystem.api.views import when
from AgentOperatingSystem.errors import InvalidInput, NotFound
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import ContextMCPServer
from AgentOperatingSystem.ml.messages import ImagePart
from AgentOperatingSystem.orchestration.lifecycle import known_or_raise
from AgentOperatingSystem.storage.records import Row

router = APIRouter(prefix="/api/v1/agents", tags=["conversations"])


class ConversationView(msgspec.Struct, frozen=True):
    """A conversation, without what was said in it."""

    agent: str
    conversation: str
    messages: int
    """How many it has."""
    in_window: int
    """How many of them the model is shown whole; the others are in the summary."""
    tokens: int
    """About how many tokens those have."""
    summary: str
    summarised_by: str
    created_at: str | None
    updated_at: str | None


class ToolCallView(msgspec.Struct, frozen=True):
    """A call that the model asked for."""

    id: str
    tool: str
    arguments: dict[str, Any]


class MessageView(msgspec.Struct, frozen=True):
    """One message; `role` is `user`, `assistant`, `tool` or `system`."""

    number: int
    role: str
    text: str
    at: str | None
    event: str
    tool_calls: tuple[ToolCallView, ...]
    tool: str
    call: str
    failed: bool
    images: int


class Deleted(msgspec.Struct, frozen=True):
    """A conversation that is no more."""

    agent: str
    conversation: str


@router.get("/{name}/conversations", **documented(page_of=ConversationView))
async def list_conversations(
    door: TheDoor, name: str, key: Key = "", limit: Limit = 100, after: After = ""
) -> Response:
    """An agent's conversations, by their ids."""
    server = await _known(door, name, key)
    found, end = await heads(server.stored, after, limit)
    return answer({"items": [_view(server.agent, head) for head in found], "after": end})


@router.get("/{name}/conversations/{id:path}", **documented(page_of=MessageView))
async def show_conversation(
    door: TheDoor,
    name: str,
    id: str,
    key: Key = "",
    limit: Limit = 100,
    after: After = "",
    newest: bool = Query(False, description="The newest page instead of the first."),
) -> Response:
    """What was said in a conversation, oldest first, page by page: all of it, in the model's window or not."""
    server = await _known(door, name, key)
    talk = Conversation(id, server.stored, {})
    head = await _there(talk, server.agent)
    begin = max(0, head.last - limit) if newest else _number(after)
    entries = await talk.history(begin, limit)
    last = entries[-1].number if entries else head.last
    return answer(
        {
            "conversation": _view(server.agent, head),
            "items": [_message_view(entry) for entry in entries],
            "after": str(last) if last < head.last else "",
        }
    )


@router.delete("/{name}/conversations/{id:path}", **documented(Deleted))
async def delete_conversation(door: TheDoor, name: str, id: str, key: Key = "") -> Response:
    """Erases a conversation, all of it, before this answers."""
    agent = door.address(name, key)
    door.check_writable(agent)
    server = await _known(door, name, key)
    await _there(Conversation(id, server.stored, {}), agent)
    while not await _erased_some(server, id):
        pass  # the smallest store's transaction holds 100 operations, and a conversation has no end
    return answer(Deleted(str(agent), id))


async def _erased_some(server: ContextMCPServer, id: str) -> bool:
    """One commit of an erasure; says whether it was the last."""
    is_done = False

    async def decide() -> tuple[Row, ...]:
        nonlocal is_done
        writes: dict[tuple[str, str], Row] = {}
        is_done = await Conversation(id, server.stored, writes).delete()
        return tuple(writes.values())

    await server.edit(decide)
    return is_done


async def _known(door: Door, name: str, key: str) -> ContextMCPServer:
    """The context server of an agent that was woken at least once. Raises `UnknownAgent`."""
    server = await door.aos.kernel.awaken_fresh(door.address(name, key))
    known_or_raise(server.agent, bool(server.etag))
    return server


async def _there(talk: Conversation, agent: AgentId) -> ConversationHead:
    head = await talk.head()
    if head.is_gone:
        raise NotFound(f"{agent} has no conversation {talk.id[:80]!r}")
    return head


def _number(after: str) -> int:
    if after and not (after.isascii() and after.isdecimal() and len(after) < 13):
        raise InvalidInput(f"after={after[:80]!r} is no message's number")
    return int(after or 0)


def _view(agent: AgentId, head: ConversationHead) -> ConversationView:
    return ConversationView(
        agent=str(agent),
        conversation=head.id,
        messages=head.last - head.floor + 1,
        in_window=head.last - head.first + 1,
        tokens=head.tokens,
        summary=head.summary.text,
        summarised_by=head.summary.by,
        created_at=when(head.created_at),
        updated_at=when(head.updated_at),
    )


def _message_view(entry: Entry) -> MessageView:
    said = entry.message
    return MessageView(
        number=entry.number,
        role=said.role,
        text=said.text,
        at=when(entry.at),
        event=entry.event,
        tool_calls=tuple(ToolCallView(call.id, call.name, call.arguments) for call in said.tool_calls),
        tool=said.tool_name,
        call=said.tool_call_id,
        failed=said.failed,
        images=sum(isinstance(part, ImagePart) for part in said.parts),
    )
