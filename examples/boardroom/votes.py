"""What a vote is, and what the votes of a board come to. Pure: nothing here asks anybody."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel

from AgentOperatingSystem.ml.records import OutputSchema

Choice = Literal["approve", "reject", "abstain", "declined", "none", "absent"]
"""`declined`: the model would not say. `none`: no model is configured. `absent`: no answer came in time."""
Outcome = Literal["approved", "rejected", "undecided"]
MAJORITY = 2

BALLOT = OutputSchema(
    name="vote",
    schema={
        "type": "object",
        "properties": {
            "vote": {"type": "string", "enum": ["approve", "reject", "abstain"]},
            "reasoning": {"type": "string"},
        },
        "required": ["vote", "reasoning"],
        "additionalProperties": False,
    },
)


class Vote(BaseModel):
    """One director's vote, and whether it serves the purpose of that director."""

    director: str
    vote: Choice
    reasoning: str = ""
    aligned: bool | None = None
    """The verdict; None where nobody could say."""
    verdict: str = ""
    """Its reason."""

    @property
    def counts(self) -> bool:
        """A vote counts only where it was judged to serve its director's purpose."""
        return self.aligned is True and self.vote in ("approve", "reject")


class Decision(BaseModel):
    """What the board decided: the data of `board.decided`."""

    proposal: str
    title: str
    outcome: Outcome
    votes: list[Vote]


def vote_of(director: str, answer: dict[str, Any] | None) -> Vote:
    """The vote in a director's answer; none at all is an absent director."""
    if answer is None:
        return Vote(director=director, vote="absent", reasoning="no answer came in time")
    decision = answer["decision"]
    return Vote(
        director=director,
        vote=decision["vote"],
        reasoning=decision["reasoning"],
        aligned=answer["aligned"],
        verdict=answer["reason"],
    )


def outcome_of(votes: Iterable[Vote]) -> Outcome:
    """Two votes that count decide; else nobody has."""
    counted = [vote.vote for vote in votes if vote.counts]
    if counted.count("approve") >= MAJORITY:
        return "approved"
    return "rejected" if counted.count("reject") >= MAJORITY else "undecided"
