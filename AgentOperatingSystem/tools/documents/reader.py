"""`DocumentReader.read`: bytes in, text with pages and headings out, or an error that says what is wrong.

Tools and the knowledge base call it; each document is read by a process of its own (`child`), which is killed at the
time limit, so neither a hostile file nor a bug in a parser holds the host up.
"""

import asyncio
import sys
from pathlib import Path
from typing import NoReturn

import msgspec

from AgentOperatingSystem.errors import ConfigurationError, ServiceError, TooLarge, UnreadableDocument
from AgentOperatingSystem.tools.documents.child import LENGTH_BYTES
from AgentOperatingSystem.tools.documents.kinds import kind_of
from AgentOperatingSystem.tools.documents.records import Document, DocumentLimits, Kind
from AgentOperatingSystem.tools.workers import ask

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from AgentOperatingSystem.tools.documents.child import main; main()"
)
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[3])


class _Answer(msgspec.Struct):
    document: Document | None = None
    error: str = ""
    message: str = ""


class DocumentReader:
    """Reads documents within limits, `concurrent_max` at the same time."""

    def __init__(self, limits: DocumentLimits | None = None, *, concurrent_max: int = 4) -> None:
        self.limits = limits or DocumentLimits()
        self._reading = asyncio.Semaphore(concurrent_max)

    async def read(
        self, content: bytes, *, name: str = "", media_type: str = "", charset: str = "", url: str = ""
    ) -> Document:
        """The document as text.

        Raises `UnsupportedMediaType` for a format that is not read, `TooLarge` over a limit, `UnreadableDocument` for a
        damaged or encrypted file, a scan, or one that takes too long, and `ConfigurationError` where the library for
        the format is not installed.
        """
        shown = name or url or "document"
        kind = kind_of(content, name or url, media_type)
        if len(content) > self.limits.bytes_max:
            raise TooLarge(f"{shown}: {len(content)} bytes; the limit is {self.limits.bytes_max}")
        question = _question(content, kind, charset, url, self.limits)
        async with self._reading:
            answer = await _ask(question, shown, self.limits)
        if answer.document is None:
            _refuse(shown, kind, answer)
        self._check_size(shown, answer.document)
        return answer.document

    def _check_size(self, shown: str, document: Document) -> None:
        characters = sum(len(section.text) for section in document.sections)
        if characters > self.limits.characters_max:
            raise TooLarge(f"{shown}: {characters} characters of text; the limit is {self.limits.characters_max}")


async def _ask(question: bytes, shown: str, limits: DocumentLimits) -> _Answer:
    if not sys.executable:
        raise ConfigurationError("documents: there is no Python executable to start; sys.executable is empty")
    path = msgspec.json.encode([_PACKAGE_ROOT, *sys.path]).decode()
    size_max = 8 * limits.characters_max + (1 << 20)
    try:
        answer = await ask(
            [sys.executable, "-I", "-X", "utf8", "-c", _PROGRAM, path],
            question,
            environment={},
            seconds_max=limits.seconds_max,
            size_max=size_max,
        )
    except TimeoutError:
        raise UnreadableDocument(f"{shown}: it takes longer than {limits.seconds_max} s to read") from None
    except OSError as error:
        raise ServiceError(f"documents: no process can be started: {error}") from None
    if len(answer) >= size_max:
        raise TooLarge(f"{shown}: more text than the limit of {limits.characters_max} characters")
    try:
        return msgspec.json.decode(answer, type=_Answer)
    except msgspec.DecodeError:
        raise UnreadableDocument(
            f"{shown}: reading it ended without an answer; the file makes its reader crash"
        ) from None


def _question(content: bytes, kind: Kind, charset: str, url: str, limits: DocumentLimits) -> bytes:
    given = {
        "kind": kind,
        "charset": charset,
        "url": url,
        "inflated_bytes_max": limits.inflated_bytes_max,
        "pages_max": limits.pages_max,
        "nodes_max": limits.nodes_max,
        "characters_max": limits.characters_max,
        "memory_bytes_max": limits.memory_bytes_max,
        "seconds_max": limits.seconds_max,
    }
    parts = (msgspec.json.encode(given), content)
    return b"".join(len(part).to_bytes(LENGTH_BYTES, "big") + part for part in parts)


def _refuse(shown: str, kind: Kind, answer: _Answer) -> NoReturn:
    if answer.error == "too-large":
        raise TooLarge(f"{shown}: {answer.message}")
    if answer.error == "missing":
        library = answer.message
        raise ConfigurationError(
            f"reading {kind} needs {library!r}: install the extra, pip install 'agent-operating-system[documents]'"
        )
    raise UnreadableDocument(f"{shown}: {answer.message}")
