"""Conversations: what is said is kept with the commit, read back within a budget and in bounded reads, and deleted."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from AgentOperatingSystem import BaseAgent, Context, Event
from AgentOperatingSystem.agents.conversation import (
    ERASED_AT_ONCE,
    MESSAGE_BYTES_MAX,
    PAGE,
    SUMMARY_LABEL,
    WINDOW_MESSAGES_MAX,
    Conversation,
    heads,
)
from AgentOperatingSystem.agents.summaries import EXTRACT_LABEL
from AgentOperatingSystem.errors import ContentFiltered, EventFailed, InvalidInput, RateLimited, TooLarge
from AgentOperatingSystem.ml.messages import ModelMessage, ToolCall, assistant, tool_result, user
from AgentOperatingSystem.ml.offline import OfflineModel
from AgentOperatingSystem.ml.records import ModelResponse
from AgentOperatingSystem.ml.scripted import ScriptedModel
from AgentOperatingSystem.storage.records import Row
from tests.unit.agents.minds import system, tell


class Kept:
    """Rows as a store keeps them, with a count of the reads."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], bytes] = {}
        self.reads: Counter[str] = Counter()

    async def read_row(self, kind: str, name: str) -> bytes | None:
        self.reads["row"] += 1
        return self.rows.get((kind, name))

    async def read_rows(self, kind: str, prefix: str, after: str, limit: int) -> dict[str, bytes]:
        self.reads["rows"] += 1
        names = sorted(n for k, n in self.rows if k == kind and n.startswith(prefix) and n > after)
        return {name: self.rows[kind, name] for name in names[:limit]}

    def commit(self, writes: dict[tuple[str, str], Row]) -> None:
        for key, row in writes.items():
            if row.value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = row.value
        writes.clear()


class Talk:
    """One conversation over `Kept`, committed after each use."""

    def __init__(self, **named: Any) -> None:
        self.kept = Kept()
        self.writes: dict[tuple[str, str], Row] = {}
        self.named = named

    def open(self, id: str = "talk", **named: Any) -> Conversation:
        return Conversation(id, self.kept, self.writes, **(self.named | named))

    async def say(self, *messages: ModelMessage) -> None:
        await self.open().extend(messages)
        self.kept.commit(self.writes)

    async def turns(self, count: int, length: int = 10) -> None:
        for number in range(count):
            await self.say(user(f"q{number} ".ljust(length, "x")), assistant(f"a{number} ".ljust(length, "y")))
            await self.open().window()
            self.kept.commit(self.writes)


def texts(messages: Any) -> list[str]:
    return [message.text.split()[0] for message in messages]


# --- what is said ---------------------------------------------------------------------------------------------------


async def test_what_was_appended_is_there_in_order_before_and_after_the_commit() -> None:
    talk = Talk()
    first = talk.open()
    assert [await first.append("user", "one"), await first.append("assistant", "two")] == [1, 2]
    assert texts((await first.window()).messages) == ["one", "two"]
    talk.kept.commit(talk.writes)
    again = talk.open()
    assert await again.append(user("three")) == 3
    assert texts((await again.window()).for_model()) == ["one", "two", "three"]
    assert texts((await talk.open("other").window()).messages) == []


async def test_calls_of_tools_come_back_as_they_were() -> None:
    talk, call = Talk(), ToolCall("1", "add", {"a": 1})
    said = [user("add"), assistant("let me see", call), tool_result(call, "2", failed=True), assistant("2")]
    await talk.say(*said)
    assert list((await talk.open().window()).messages) == said


@pytest.mark.parametrize("id", ["", "x" * 257, "a\nb", "\ud800"])
def test_what_cannot_name_a_conversation(id: str) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        Talk().open(id)


async def test_what_is_too_large_is_refused_and_leaves_nothing() -> None:
    talk = Talk()
    with pytest.raises(TooLarge, match="at most"):
        await talk.open().append("user", "x" * MESSAGE_BYTES_MAX)
    with pytest.raises(InvalidInput, match="tokens_max"):
        talk.open(tokens_max=1)
    assert not talk.kept.rows


# --- the window -----------------------------------------------------------------------------------------------------


async def test_reads_are_as_many_for_ten_turns_as_for_five_thousand() -> None:
    reads = []
    for turns in (10, 5000):
        talk = Talk()
        for number in range(turns):
            await talk.open().extend([user(f"q{number}"), assistant(f"a{number}")])
            talk.kept.commit(talk.writes)
            if number % 100 == 99:
                await talk.open().window()
                talk.kept.commit(talk.writes)
        talk.kept.reads.clear()
        window = await talk.open().window()
        assert window.messages[-1].text == f"a{turns - 1}"
        reads.append(dict(talk.kept.reads))
    assert reads == [{"row": 1, "rows": 1}] * 2


async def test_the_window_stays_within_its_budget_and_is_not_summarised_at_every_turn() -> None:
    model = ScriptedModel(lambda request: f"summary {len(json.loads(request.messages[1].text)['messages'])}")
    talk = Talk(tokens_max=1000, provider=model)
    window = await talk.open().window()
    for number in range(200):
        await talk.say(user(f"q{number} " + "x" * 60), assistant(f"a{number} " + "y" * 60))
        window = await talk.open().window()
        talk.kept.commit(talk.writes)
        assert window.tokens <= 1000
        assert window.messages[0].role == "user"
        assert window.messages[-1].text.startswith(f"a{number} ")
    assert 5 < len(model.requests) < 30
    assert window.summary.by == "model"
    assert window.for_model()[0].text.startswith(SUMMARY_LABEL + "summary ")
    assert window.for_model()[0].role == "user"  # what others said must not become an instruction


async def test_the_summary_goes_on_from_the_one_before() -> None:
    model = ScriptedModel(lambda request: f"after {json.loads(request.messages[1].text)['summary_so_far'][:40]!r}")
    talk = Talk(tokens_max=200, provider=model)
    await talk.turns(20, 100)
    assert (await talk.open().window()).summary.text.startswith("after 'after ")


async def test_without_a_model_an_extract_says_what_it_is() -> None:
    for provider in (None, OfflineModel()):
        talk = Talk(tokens_max=400, provider=provider)
        await talk.turns(50, 60)
        summary = (await talk.open().window()).summary
        assert summary.by == "extract"
        assert summary.text.startswith(EXTRACT_LABEL)
        assert summary.text.count(EXTRACT_LABEL) == 1
        assert "user: q4" in summary.text
        assert "user: q0 " not in summary.text  # the oldest lines go first
        assert len(summary.text) < 2 * 400


async def test_a_busy_model_is_not_replaced_and_one_that_declines_is() -> None:
    busy = Talk(tokens_max=100, provider=ScriptedModel([RateLimited("slow down", 1.0)]))
    await busy.say(*(user("x" * 100) for _ in range(6)))
    with pytest.raises(RateLimited):
        await busy.open().window()
    for declining in ("", ModelResponse(text="I will not.", finish_reason="refusal"), ContentFiltered("no")):
        talk = Talk(tokens_max=100, provider=ScriptedModel([declining]))
        await talk.say(*(user("x" * 100) for _ in range(6)))
        assert (await talk.open().window()).summary.by == "extract"


async def test_a_result_is_never_parted_from_its_call() -> None:
    talk = Talk(tokens_max=300)
    for number in range(100):
        calls = [ToolCall(f"{number}-{n}", "look", {"n": n}) for n in range(3)]
        results = [tool_result(call, "r" * 40) for call in calls]
        await talk.say(user(f"q{number}"), assistant("", *calls), *results, assistant("done"))
        messages = (await talk.open().window()).messages
        talk.kept.commit(talk.writes)
        asked = {call.id for message in messages for call in message.tool_calls}
        answered = {message.tool_call_id for message in messages if message.role == "tool"}
        assert asked == answered
        assert messages[0].role != "tool"


async def test_fewer_tokens_can_be_asked_for_and_what_is_left_out_is_said() -> None:
    talk = Talk()
    await talk.turns(20, 40)
    window = await talk.open().window(tokens_max=100)
    assert window.tokens <= 100
    assert window.left_out == 40 - len(window.messages)
    assert window.for_model()[0].text == f"[{window.left_out} messages are left out here.]"
    assert texts(window.messages)[-1] == "a19"


async def test_very_much_at_once_is_folded_in_pages() -> None:
    talk = Talk(tokens_max=500)
    await talk.say(*(user(f"m{number}") for number in range(3 * PAGE)))
    window = await talk.open().window()
    assert texts(window.messages)[-1] == f"m{3 * PAGE - 1}"
    assert window.tokens <= 500
    talk.kept.commit(talk.writes)
    head = await talk.open().head()
    assert head.tokens + len(window.summary.text) // 4 <= 500


async def test_many_short_messages_are_bounded_by_their_number() -> None:
    talk = Talk(tokens_max=1_000_000)
    await talk.say(*(user("x") for _ in range(WINDOW_MESSAGES_MAX + 1)))
    assert len((await talk.open().window()).messages) == WINDOW_MESSAGES_MAX // 2


async def test_all_of_it_can_be_read_page_by_page_after_it_left_the_window() -> None:
    talk = Talk(tokens_max=200)
    await talk.turns(60, 40)
    found: list[Any] = []
    while page := await talk.open().history(found[-1].number if found else 0, 50):
        found += page
    assert [entry.number for entry in found] == list(range(1, 121))
    assert texts([entry.message for entry in found]) == [f"{who}{n}" for n in range(60) for who in "qa"]


# --- the list, and the end ------------------------------------------------------------------------------------------


async def test_the_list_is_by_id_and_in_pages() -> None:
    talk = Talk()
    for id in ("b", "a", "c"):
        await talk.open(id).append("user", id)
    talk.kept.commit(talk.writes)
    first, after = await heads(talk.kept, limit=2)
    rest, end = await heads(talk.kept, after, 2)
    assert [head.id for head in (*first, *rest)] == ["a", "b", "c"]
    assert end == ""


async def test_what_is_deleted_is_gone_at_once_and_its_rows_part_by_part() -> None:
    talk = Talk()
    await talk.turns(ERASED_AT_ONCE)
    assert not await talk.open().delete()
    assert sum(row.value is None for row in talk.writes.values()) == ERASED_AT_ONCE
    talk.kept.commit(talk.writes)
    assert (await talk.open().window()).for_model() == ()
    assert await talk.open().history() == []
    assert await heads(talk.kept) == ([], "")
    assert await talk.open().delete()
    talk.kept.commit(talk.writes)
    assert not talk.kept.rows


async def test_what_is_said_in_the_handling_that_deletes_begins_anew() -> None:
    for turns in (3, ERASED_AT_ONCE):
        talk = Talk()
        await talk.turns(turns)
        conversation = talk.open()
        await conversation.delete()
        await conversation.append("user", "anew")
        assert texts((await conversation.window()).for_model()) == ["anew"]
        talk.kept.commit(talk.writes)
        assert texts((await talk.open().window()).for_model()) == ["anew"]


async def test_who_speaks_after_a_deletion_begins_anew_and_the_rest_is_erased_on_the_way() -> None:
    talk = Talk()
    await talk.turns(ERASED_AT_ONCE)
    await talk.open().delete()
    talk.kept.commit(talk.writes)
    await talk.say(user("again"))
    assert texts([entry.message for entry in await talk.open().history()]) == ["again"]
    assert len(talk.kept.rows) == 2


# --- in the kernel --------------------------------------------------------------------------------------------------


class Host(BaseAgent):
    """Keeps what is said to it, and answers with what it has heard."""

    stumbles = True

    async def on_event(self, event: Event, context: Context) -> Any:
        talk = context.conversation()
        await talk.append("user", event.data)
        if event.data == "stumble" and Host.stumbles:
            Host.stumbles = False
            raise ValueError("stumbled")
        return [message.text for message in (await talk.window()).messages]


async def test_it_rides_in_the_commit_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    Host.stumbles = True
    async with system(tmp_path, Host, backoff_base_seconds=0.01) as aos:
        assert await tell(aos, "host", "one") == ["one"]
        assert await tell(aos, "host", "stumble") == ["one", "stumble"]  # once, though it was tried twice
        assert await tell(aos, "host", "apart", conversation="other") == ["apart"]
        assert await tell(aos, "host", "mine", conversation="main") == ["one", "stumble", "mine"]
    async with system(tmp_path, Host) as aos:
        assert await tell(aos, "host", "two") == ["one", "stumble", "mine", "two"]
        with pytest.raises(EventFailed, match="printable"):
            await tell(aos, "host", "x", conversation="y" * 300)


async def test_events_of_one_turn_see_what_the_ones_before_said(tmp_path: Path) -> None:
    async with system(tmp_path, Host) as aos:
        for number in range(20):
            await aos.accept_event({"type": "said", "agent": "host", "data": str(number)})
        assert (await tell(aos, "host", "last"))[-1] == "last"
        rows = aos.context_server("host").stored
        (head,), _ = await heads(rows)
        assert head.last == 21


async def test_an_agent_is_exported_with_its_conversations(tmp_path: Path) -> None:
    async with system(tmp_path, Host) as aos:
        await tell(aos, "host/a", "kept")
        document = await aos.archive.export(aos.address("host/a"))
        await aos.archive.import_(msgspec.json.encode(document), aos.address("host/b"))
        assert await tell(aos, "host/b", "more") == ["kept", "more"]
