"""How well the knowledge base finds: real questions over this project's own pages, by meaning, by word and by both.

`aos bench --only retrieval` runs it in a checkout, where `benchmarks/retrieval/questions.json` and `docs/` lie. For
each question it is known under which headings of which page the answer stands. `other words` are those questions that
share no content word, in any form, with a passage that answers them: word search cannot find these.
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
from AgentOperatingSystem.knowledge.fusion import cover_of
from AgentOperatingSystem.knowledge.local import LocalEmbedder
from AgentOperatingSystem.knowledge.passages import TRAIL
from AgentOperatingSystem.knowledge.ports import Embedder
from AgentOperatingSystem.knowledge.records import Passage, Scope, SearchBy
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
            kinds = {kind: await _recalls(base, part) for kind, part in (await _parted(base, asked)).items()}
        finally:
            await base.close()
    return {"embedder": collection.embedder, "pages": len(pages), "passages": collection.passages, "kinds": kinds}


def answers(question: Question, passage: Passage) -> bool:
    """Whether the passage stands where the answer stands."""
    return passage.source == question.page and passage.heading.rpartition(TRAIL)[2] in question.headings


def table(report: Report) -> Table:
    """The report for a person."""
    title = f"{NAME}: recall@{FOUND_MAX}, {report['passages']} passages"
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    for column in ("questions", "number", *WAYS):
        made.add_column(column, justify="left" if column == "questions" else "right", no_wrap=True)
    for kind, figures in report["kinds"].items():
        made.add_row(kind, str(figures["questions"]), *(f"{figures[way]:.2f}" for way in WAYS))
    return made


async def _parted(base: KnowledgeBase, asked: Sequence[Question]) -> dict[str, list[Question]]:
    """The questions by kind. Raises `InvalidInput` for one that no passage answers: its heading was renamed."""
    passages = [passage for _, passage in await base.store.batch(Scope(), 0, 100_000)]
    parted: dict[str, list[Question]] = {PLAIN: [], OTHER_WORDS: []}
    for question in asked:
        right = [passage for passage in passages if answers(question, passage)]
        if not right:
            raise InvalidInput(f"{QUESTIONS}: {question.page} has no section {' or '.join(question.headings)!r}")
        shared = any(cover_of(question.ask, f"{passage.heading} {passage.text}") for passage in right)
        parted[PLAIN if shared else OTHER_WORDS].append(question)
    return parted


async def _recalls(base: KnowledgeBase, asked: Sequence[Question]) -> dict[str, float]:
    hits = {way: [await _is_found(base, question, way) for question in asked] for way in WAYS}
    return {"questions": len(asked)} | {way: round(sum(found) / max(len(found), 1), 3) for way, found in hits.items()}


async def _is_found(base: KnowledgeBase, question: Question, way: SearchBy) -> bool:
    found = await base.search(question.ask, limit=FOUND_MAX, by=way)
    return any(answers(question, each.passage) for each in found)
