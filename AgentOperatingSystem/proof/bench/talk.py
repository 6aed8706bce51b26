"""The work of the team scenarios: a conversation of two members about one text after the other.

Every contestant's model is `reply`, a function of what it is shown: how many texts it has heard, as long as a text of
the canonical work. So the judge of `work` can tell from answers and kept conversation whether each text was applied
exactly once. No I/O here; imported by the contestants of the team scenarios.
"""

from collections.abc import Iterable

from AgentOperatingSystem.proof.bench.work import TEXT_CHARACTERS, TEXTS_KEPT, Counted, State, new_state

READER = "reader"
TRIAGER = "triager"
MEMBERS = {
    READER: "You are the reader. Summarise what was said.",
    TRIAGER: "You are the triager. Propose the next step.",
}
"""The members in their order of speaking, with what each is told to be."""
TURNS = len(MEMBERS)
"""Each member speaks once for each text."""


def is_text(said: str) -> bool:
    """Whether a message is one of the texts, and not a member's own words."""
    return said.startswith("event ")


def reply(shown: Iterable[str]) -> str:
    """What the model answers to the messages that it is shown."""
    return f"{sum(is_text(said) for said in shown)} heard".ljust(TEXT_CHARACTERS, ".")


def counted(said: str) -> Counted:
    """The result event, from the last member's answer."""
    return {"count": int(said.partition(" ")[0])}


def kept(said: Iterable[str]) -> State:
    """The kept conversation as the state of the canonical work, for the judge."""
    texts = [text for text in said if is_text(text)]
    return {"count": len(texts), "texts": [*new_state()["texts"], *texts][-TEXTS_KEPT:]}
