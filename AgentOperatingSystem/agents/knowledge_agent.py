"""`KnowledgeAgent`: reads what it is given, and answers questions with citations to the passages that it has read.

The kernel hands it an event; the knowledge base keeps and finds; the model only words the answer, and every citation of
it is held to the passages that were found. What was found is a step of the event, so that a retry asks the model the
same and pays nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Unpack

import msgspec

from AgentOperatingSystem.agents.base_agent import current_context
from AgentOperatingSystem.agents.citations import (
    INSTRUCTIONS,
    UNKNOWN,
    Citation,
    asked,
    checked,
    citations_of,
    is_unknown,
)
from AgentOperatingSystem.agents.ingestion import Ingest, ingest
from AgentOperatingSystem.agents.minds import MindSpec, task_of
from AgentOperatingSystem.agents.perpetual_agent import MindOptions, PerpetualAgent
from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.events import Event
from AgentOperatingSystem.knowledge.base import KnowledgeBase
from AgentOperatingSystem.knowledge.records import DEFAULT_COLLECTION, Added
from AgentOperatingSystem.knowledge.running import knowledge_of
from AgentOperatingSystem.ml.ports import ModelProvider
from AgentOperatingSystem.ml.records import OFFLINE, ModelRequest
from AgentOperatingSystem.tools.function_tool import FunctionTool
from AgentOperatingSystem.tools.records import Effect

INGEST, REMOVE = "knowledge.ingest", "knowledge.remove"
PASSAGES = 6
_NO_MODEL = "No model is configured, so these are the passages that were found, as they are:"


class Remove(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data of `knowledge.remove`."""

    sources: tuple[str, ...] = ()
    """Names of documents; `docs/*` is all that begin so."""
    everything: bool = False


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data of a question that is more than a text."""

    question: str
    sources: tuple[str, ...] = ()
    limit: int = PASSAGES


class KnowledgeAgent(PerpetualAgent):
    """Information synthesis and retrieval (specification row 52).

    `knowledge.ingest` (`Ingest`) keeps a document; `knowledge.remove` (`Remove`) removes some; any other event is a
    question: its data is a text, or an `Asked`. The answer is `{"question", "answer", "known", "citations", "passages",
    "invented"}`: `citations` are those of `passages` that the answer cites, with id, source and span; `invented` are
    numbers that the model made up, which are gone from the answer. Where nothing is found, `known` is false and no
    model is asked; without a model the answer is the passages themselves.

    Keeping a document twice is the same as once, so an event that is tried again does no harm. `collection` is where
    documents lie; `folder` is where files may be read from, and none may where it is empty.

    Raises `InvalidInput` for data that does not fit, what `KnowledgeBase` raises, and `ModelError`s.
    """

    description: ClassVar[str] = "A librarian who answers from documents, and cites them."
    capabilities: ClassVar[tuple[str, ...]] = ("knowledge",)

    def __init__(
        self,
        agent_id: str = "",
        *,
        collection: str = DEFAULT_COLLECTION,
        folder: str | Path = "",
        tools: Sequence[Any] = (),
        system_message: str = INSTRUCTIONS,
        **options: Unpack[MindOptions],
    ) -> None:
        super().__init__(tools, system_message, agent_id=agent_id, **options)
        self.collection = collection
        self.folder = folder

    @property
    def knowledge(self) -> KnowledgeBase:
        """The running system's knowledge base, as this agent's tenant sees it."""
        context = current_context.get()
        return knowledge_of((context.agent if context else self.address).tenant)

    async def process(self, event: Event) -> Any:
        """Keeps, removes or answers."""
        if event.type == INGEST:
            return msgspec.to_builtins(await self.ingest(_data(event, Ingest)))
        if event.type == REMOVE:
            return await self.remove(_data(event, Remove))
        return await self.answer(_data(event, Asked) if isinstance(event.data, dict) else Asked(task_of(event)))

    async def ingest(self, given: Ingest) -> Added:
        """Keeps a document. Raises as `ingestion.ingest` does."""
        return await ingest(self.knowledge, given, self.collection, self.folder)

    async def remove(self, given: Remove) -> dict[str, Any]:
        """Removes documents, or all of them; answers `{"removed"}`, the sources."""
        sources = ("*",) if given.everything else given.sources
        return {"removed": list(await self.knowledge.remove(*sources, collection=self.collection))}

    async def answer(self, given: Asked) -> dict[str, Any]:
        """The answer to a question, and what it stands on."""
        passages = await self._found(given)
        if not passages:
            return _told(given, UNKNOWN, False, (), ())
        provider = self.provider()
        if provider.name == OFFLINE:
            shown = "\n\n".join(f"[{each.number}] {each.text}" for each in passages)
            return _told(given, f"{_NO_MODEL}\n\n{shown}", True, passages, passages)
        request = ModelRequest.ask(asked(given.question, passages), instructions=self.instructions())
        said = checked((await provider.complete(request)).text, len(passages))
        cited = [passages[number - 1] for number in said.numbers]
        return _told(given, said.text, not is_unknown(said.text), passages, cited, said.invented)

    def spec(self, provider: ModelProvider | None = None) -> MindSpec:
        """As for every agent; a member of a team searches with a tool."""
        made = super().spec(provider)
        return replace(made, tools=(*made.tools, FunctionTool(self.search_knowledge, effect=Effect.PURE)))

    async def search_knowledge(self, question: str) -> list[dict[str, Any]]:
        """Find passages of the documents that this agent has read, numbered, to answer a question from."""
        found = await self.knowledge.search(question, limit=PASSAGES, collection=self.collection)
        return [msgspec.to_builtins(each) for each in citations_of(found, self.collection)]

    async def _found(self, given: Asked) -> list[Citation]:
        """The passages, recorded with the event: what the knowledge base learns meanwhile does not change a retry."""

        async def search() -> Any:
            found = await self.knowledge.search(
                given.question, limit=given.limit, sources=given.sources, collection=self.collection
            )
            return msgspec.to_builtins(citations_of(found, self.collection))

        context = current_context.get()
        found = await search() if context is None else await context.step("search", search)
        return msgspec.convert(found, list[Citation])


def _data(event: Event, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(event.data, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{event.type}: the data does not fit: {error}") from None


def _told(
    given: Asked,
    answer: str,
    known: bool,
    passages: Sequence[Citation],
    cited: Sequence[Citation],
    invented: Sequence[int] = (),
) -> dict[str, Any]:
    return {
        "question": given.question,
        "answer": answer,
        "known": known,
        "citations": [msgspec.to_builtins(each) for each in cited],
        "passages": [msgspec.to_builtins(each) for each in passages],
        "invented": list(invented),
    }
