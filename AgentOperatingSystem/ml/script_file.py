"""A script for `scripted` from a JSON file, so that `AOS_MODEL=scripted/answers.json` runs a system without a key.

The file is a list of entries. One with `when` answers every request whose last message has that text in it; the others
answer the rest, in order.

    [{"when": "priority", "text": "{\\"priority\\": 1}"},
     {"tool_calls": [{"id": "1", "name": "look_up", "arguments": {"id": 7}}]},
     {"error": "rate-limited", "after_seconds": 2},
     {"pieces": ["Hel", "lo"], "delay_seconds": 0.5}]
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from AgentOperatingSystem import errors
from AgentOperatingSystem.errors import ConfigurationError, ModelError, Retryable
from AgentOperatingSystem.ml.catalogue import load_table
from AgentOperatingSystem.ml.messages import ToolCall
from AgentOperatingSystem.ml.records import ModelRequest, ModelResponse, Usage
from AgentOperatingSystem.ml.scripted import Answer, Author, Late, Pieces

_KINDS = {kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ModelError)}


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    when: str = ""
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    pieces: tuple[str, ...] = ()
    cut: bool = False
    usage: Usage = Usage()
    error: str = ""
    after_seconds: float | None = None
    delay_seconds: float = 0.0


def read_script(path: Path) -> Author:
    """The author of the file's answers. Raises `ConfigurationError`, one line."""
    entries: list[_Entry] = load_table(path, list[_Entry])
    for entry in entries:
        _answer(entry)  # a wrong code is found now
    rest = iter([entry for entry in entries if not entry.when])
    return lambda request: _choose(path, entries, rest, request)


def _choose(path: Path, entries: list[_Entry], rest: Iterator[_Entry], request: ModelRequest) -> Answer:
    last = request.messages[-1].text
    matching = (entry for entry in entries if entry.when and entry.when in last)
    entry = next(matching, None) or next(rest, None)
    if entry is None:
        raise ConfigurationError(f"{path}: no answer is left for {last[:80]!r}")
    return _answer(entry)


def _answer(entry: _Entry) -> Answer:
    if entry.error:
        if entry.error not in _KINDS:
            raise ConfigurationError(f"no model error has the code {entry.error!r}; there are {', '.join(_KINDS)}")
        kind, said = _KINDS[entry.error], "as the script says"
        return kind(said, entry.after_seconds) if issubclass(kind, Retryable) else kind(said)
    whole = ModelResponse(
        text=entry.text,
        tool_calls=entry.tool_calls,
        finish_reason="tool_calls" if entry.tool_calls else "stop",
        usage=entry.usage,
    )
    answer = Pieces(texts=entry.pieces, cut=entry.cut) if entry.pieces else whole
    return Late(entry.delay_seconds, answer) if entry.delay_seconds else answer
