"""Where a conversation is cut: within the budget, at what a user said where that fits, never before a tool's result."""

from hypothesis import given
from hypothesis import strategies as st

from AgentOperatingSystem.agents.windowing import begin_within, shortened, tokens_of, tokens_of_text
from AgentOperatingSystem.ml.messages import (
    ImagePart,
    ModelMessage,
    TextPart,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)

CALL = ToolCall("1", "look", {"where": "there"})
ROUND = [assistant("", CALL), tool_result(CALL, "x" * 20), tool_result(CALL, "y" * 30)]
PIECES = st.sampled_from([[user("u" * 10)], [assistant("a" * 15)], ROUND, [system("s")]])
TALKS = st.lists(PIECES, min_size=1, max_size=12).map(lambda pieces: [each for piece in pieces for each in piece])


@given(TALKS, st.integers(0, 200), st.integers(1, 40))
def test_a_window_never_begins_with_a_result_and_fits_where_anything_does(
    talk: list[ModelMessage], tokens_max: int, count_max: int
) -> None:
    begin = begin_within(talk, tokens_max, count_max)
    shown = talk[begin:]
    assert shown
    assert shown[0].role != "tool"
    fits = sum(map(tokens_of, shown)) <= tokens_max and len(shown) <= count_max
    last = max(at for at, message in enumerate(talk) if message.role != "tool")
    assert fits or begin == last
    could = [at for at in range(begin) if talk[at].role == "user" and _fits(talk[at:], tokens_max, count_max)]
    assert could == []  # no more that begins with a user would have fit


def _fits(talk: list[ModelMessage], tokens_max: int, count_max: int) -> bool:
    return sum(map(tokens_of, talk)) <= tokens_max and len(talk) <= count_max


def test_one_long_turn_is_cut_between_its_rounds() -> None:
    talk = [user("go"), *ROUND * 10]
    for tokens_max in range(10, 400, 7):
        assert talk[begin_within(talk, tokens_max, 100)].role != "tool"


def test_tokens_follow_the_bytes_in_every_script() -> None:
    assert tokens_of_text("a" * 400) == 100
    assert tokens_of_text("語" * 400) == 300
    assert tokens_of(user(ImagePart(url="https://example.com/x.png"))) > 500
    assert tokens_of(assistant("", CALL)) > tokens_of(assistant(""))


def test_what_is_too_long_is_cut_and_says_so() -> None:
    short = user("short")
    assert shortened(short, 100) is short
    long = shortened(tool_result(CALL, "語" * 1000, failed=True), 100)
    assert long.text.startswith("語" * 33 + "\n[967 more characters")
    assert (long.tool_call_id, long.failed) == ("1", True)
    pictured = shortened(user("see", ImagePart(data=b"x" * 1000)), 100)
    assert pictured.parts[1] == TextPart("[an image of 1000 bytes is not kept]")
