"""How well the knowledge base finds: real questions over this project's own pages, by meaning, by word and by both.

`aos bench --only retrieval` runs it in a checkout, where `benchmarks/retrieval/questions.json` and `docs/` lie. For
each question it is known under which heading of which page the answer stands. A part of the questions, `other words`,
shares no content word with the sections that answer them; a test holds that.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.table import Table

from AgentOperatingSystem.agents.documents import Documents
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.knowledge.base import KnowledgeBase
from AgentOperatingSystem.knowledge.local import LocalEmbedder
from AgentOperatingSystem.knowledge.passages import TRAIL
from AgentOperatingSystem.knowledge.ports import Embedder
from AgentOperatingSystem.knowledge.records import Passage, SearchBy
from AgentOperatingSystem.knowledge.sqlite import FILE, SqlitePassageStore

NAME = "retrieval"
CHECKOUT = Path(__file__).resolve().parents[3]
QUESTIONS = Path("benchmarks", "retrieval", "questions.json")
PLAIN, OTHER_WORDS = "plain", "other words"
FOUND_MAX = 5
WAYS: tuple[SearchBy, ...] = ("words", "meaning", "hybrid")
Report = dict[str, Any]
"""The embedder, pages, passages, and for each kind of question: how many, and recall by way of searching."""


class Question(msgspec.Struct, frozen=True):
    """A question, and under which headings of a page its answer stands."""

    ask: str
    page: str
    headings: tuple[str, ...]
    kind: str


def questions(checkout: Path = CHECKOUT) -> list[Question]:
    """The committed questions. Raises `InvalidInput` where this is no checkout."""
    path = checkout / QUESTIONS
    if not path.is_file():
        raise InvalidInput(f"{NAME} measures on this project's own pages: run it in a checkout ({path} is not there)")
    return msgspec.json.decode(path.read_bytes(), type=list[Question])


async def measure(checkout: Path = CHECKOUT, embedder: Embedder | None = None) -> Report:
    """Recall: the share of questions of which a right passage is among the first five. Raises as `questions` does."""
    asked = questions(checkout)
    with tempfile.TemporaryDirectory() as folder:
        base = KnowledgeBase(SqlitePassageStore(Path(folder) / FILE), embedder or LocalEmbedder(), Documents())
        try:
            pages = sorted((checkout / "docs").glob("*.md"))
            for page in pages:
                await base.add_bytes(page.name, page.read_bytes())
            (collection,) = await base.collections()
            kinds = {kind: await _recalls(base, asked, kind) for kind in (PLAIN, OTHER_WORDS)}
        finally:
            await base.close()
    return {"embedder": collection.embedder, "pages": len(pages), "passages": collection.passages, "kinds": kinds}


def answers(question: Question, passage: Passage) -> bool:
    """Whether the passage stands where the answer stands."""
    return passage.source == question.page and passage.heading.rpartition(TRAIL)[2] in question.headings


def table(report: Report) -> Table:
    """The report for a person."""
    title = f"{NAME}: recall@{FOUND_MAX}  ({report['passages']} passages of {report['pages']} pages)"
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for column in ("questions", "number", *WAYS):
        made.add_column(column, justify="left" if column == "questions" else "right", no_wrap=True)
    for kind, figures in report["kinds"].items():
        made.add_row(kind, str(figures["questions"]), *(f"{figures[way]:.2f}" for way in WAYS))
    return made


async def _recalls(base: KnowledgeBase, asked: Sequence[Question], kind: str) -> dict[str, float]:
    chosen = [question for question in asked if question.kind == kind]
    hits = {way: [await _is_found(base, question, way) for question in chosen] for way in WAYS}
    return {"questions": len(chosen)} | {way: round(sum(found) / len(found), 3) for way, found in hits.items()}


async def _is_found(base: KnowledgeBase, question: Question, way: SearchBy) -> bool:
    found = await base.search(question.ask, limit=FOUND_MAX, by=way)
    return any(answers(question, each.passage) for each in found)
