"""Addresses: what is well formed, and the codecs, which are injective whatever a key holds."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from AgentOperatingSystem.errors import InvalidAgentId
from AgentOperatingSystem.ids import KEY_LENGTH_MAX, AgentId, event_key, message_id

names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}", fullmatch=True)
keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=40)
agents = st.builds(AgentId, names, keys, names)


@pytest.mark.parametrize("name", ["a", "A", "_", "0", "ceo", "aos.topic", "a-b_c.d", "x" * 64])
def test_names_that_are_well_formed(name: str) -> None:
    assert AgentId(name, "", name).partition == f"{name}|{name}/"


@pytest.mark.parametrize(
    "name", ["", ".a", "-a", "a b", "a/b", "a|b", "a:b", "é", "x" * 65, "a\n", "a%", "名", "\x00", "../a"], ids=ascii
)
def test_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidAgentId, match="agent name"):
        AgentId(name)
    with pytest.raises(InvalidAgentId, match="tenant"):
        AgentId("a", "", name)


@pytest.mark.parametrize("key", ["", "/", "octo-org/octo-repo", "a|b", "a:b%_", " ", "🙂", "x" * KEY_LENGTH_MAX])
def test_keys_that_are_well_formed(key: str) -> None:
    assert AgentId("a", key).key == key


@pytest.mark.parametrize(
    "key", ["x" * (KEY_LENGTH_MAX + 1), "a\nb", "\x00", "\x1f", "\x7f", "\x85", "\ud800", "a\udfff"], ids=ascii
)
def test_keys_that_are_not(key: str) -> None:
    with pytest.raises(InvalidAgentId, match="agent key"):
        AgentId("a", key)


def test_a_refusal_does_not_repeat_all_of_a_long_text() -> None:
    with pytest.raises(InvalidAgentId) as refused:
        AgentId("x" * 10_000)
    assert len(str(refused.value)) < 200


@given(agents)
def test_a_partition_can_be_taken_apart_again(agent: AgentId) -> None:
    assert AgentId.from_partition(agent.partition) == agent


@given(agents)
def test_what_is_typed_is_what_is_shown(agent: AgentId) -> None:
    assert AgentId.parse(str(agent), agent.tenant) == agent


@given(agents, agents)
def test_two_agents_have_two_partitions_and_two_sessions(one: AgentId, other: AgentId) -> None:
    assume(one != other)
    assert one.partition != other.partition
    assert one.session != other.session


@pytest.mark.parametrize(("key", "is_hashed"), [("x" * 118, False), ("x" * 119, True), ("🙂" * 118, False)])
def test_a_session_is_at_most_128_characters(key: str, is_hashed: bool) -> None:
    agent = AgentId("a", key)
    assert len(agent.session) <= 128
    assert (agent.session != agent.partition) == is_hashed == agent.session.startswith("sha256:")


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc"), ("ab", "c")), (("1:a", "b"), ("1", ":ab")), (("", "ab"), ("a", "b")), (("2:a", "b"), ("2", ":ab"))],
)
def test_source_and_id_are_kept_apart(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert event_key(*one) != event_key(*other)


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_events_have_two_keys(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (event_key(*one) == event_key(*other)) == (one == other)
    assert len(event_key(*one)) == 32


def test_an_event_key_never_changes() -> None:
    """Stored rows are found by it, so it is part of the format."""
    assert event_key("/orders", "1") == "3ee0152c075cd36f348d82d09eebc5c0"


def test_a_message_id_tells_mailbox_event_and_generation_apart() -> None:
    key, other = event_key("/", "1"), event_key("/", "2")
    ids = {
        message_id("default|a/", key),
        message_id("default|a/", key, 1),
        message_id("default|a/", key, 2),
        message_id("default|a/", other),
        message_id("default|b/", key),
        message_id("other|a/", key),
    }
    assert len(ids) == 6
    assert message_id("default|a/", key) == message_id("default|a/", key, 0)
