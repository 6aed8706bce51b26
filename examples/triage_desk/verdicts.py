"""What goes to the team and what may come back: material by strangers, and a verdict of allowed values only. Pure.

`agents.py` makes the material from a delivery; `team.py` has it judged and answers with a `Finding`, whose verdict
`read_verdict` has checked. Nothing else that a model says can become a label, a priority or a next step.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from AgentOperatingSystem import Event

Label = Literal[
    "bug", "documentation", "duplicate", "enhancement", "invalid", "performance", "question", "security", "spam"
]
Priority = Literal["low", "normal", "high", "urgent"]
NextStep = Literal["answer", "ask_the_author", "close", "fix", "reproduce", "review"]
Kind = Literal["issue", "pull_request"]

WAKES_THE_TEAM = (
    "github.issues.opened",
    "github.issues.reopened",
    "github.issue_comment.created",
    "github.pull_request.opened",
    "github.pull_request.reopened",
    "github.pull_request.ready_for_review",
    "github.pull_request_review_comment.created",
)
TITLE_MAX, TEXT_MAX, SUMMARY_MAX = 200, 8000, 300
"""Characters of what is handed to the team, and of what it may say."""
_FENCED = re.compile(r"```(?:json)?\s*\n(?P<inside>.*)\n\s*```", re.DOTALL)


class Material(BaseModel):
    """One issue or pull request as strangers wrote it: the longest texts cut, otherwise unchanged."""

    kind: Kind
    number: int
    title: str
    body: str
    comment: str = ""
    """The one that woke the team, where it was one."""


class Verdict(BaseModel):
    """What the team proposes. Every value is one of those that are listed here; the summary is text to be shown."""

    model_config = ConfigDict(extra="forbid", strict=True)

    labels: list[Label] = Field(max_length=4)
    priority: Priority
    next_step: NextStep
    summary: str = Field(min_length=1, max_length=SUMMARY_MAX)

    @field_validator("summary", mode="before")
    @classmethod
    def _plain(cls, text: Any) -> Any:
        return plain(text) if isinstance(text, str) else text


class Finding(BaseModel):
    """What became of a question: a verdict, or the reason why there is none."""

    verdict: Verdict | None = None
    reason: str = ""
    """`no model configured`, `unreadable`, or what the model's provider said."""
    text: str = ""
    """What the team said, where that could not be read."""
    model: str = ""
    """Who thought: `provider/model`."""


class Triaged(Finding):
    """What a repository remembers of an issue or pull request: the last finding, and whether another is awaited."""

    kind: Kind
    title: str
    request: str = ""
    """The correlation of the question that is not answered yet; empty where none is open."""


def material_of(event: Event) -> Material | None:
    """What the team is asked about; None where the event is none that wakes it."""
    if event.type not in WAKES_THE_TEAM:
        return None
    delivery = event.data
    issue, pull_request = delivery.get("issue") or {}, delivery.get("pull_request") or {}
    item = issue or pull_request
    if not isinstance(item.get("number"), int):
        return None
    return Material(
        kind="pull_request" if pull_request or "pull_request" in issue else "issue",
        number=item["number"],
        title=_text(item.get("title"), TITLE_MAX),
        body=_text(item.get("body"), TEXT_MAX),
        comment=_text((delivery.get("comment") or {}).get("body"), TEXT_MAX),
    )


def read_verdict(text: str) -> Verdict:
    """The verdict in a model's text: JSON alone, or in one fence. Raises `ValueError` that says what is wrong."""
    fenced = _FENCED.fullmatch(text.strip())
    try:
        return Verdict.model_validate_json(fenced["inside"] if fenced else text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None


def plain(text: str) -> str:
    """One line without control characters, which could take over a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _text(value: Any, length_max: int) -> str:
    return value[:length_max] if isinstance(value, str) else ""
