"""Secrets stay out of logs, spans, reasons and answers: every registered value is replaced before anything is written,
and so is what stands where secrets stand.

Whoever reads a secret registers it once (`AOSConfig.secret_values`, a token that was made at the first start);
`Redaction` is the filter that `logs.configure` puts on its handler, and that a host with handlers of its own puts on
those.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

REPLACEMENT = "[redacted]"
KEPT_LENGTH_MIN = 8
SECRET_LENGTH_MIN = 4  # a shorter value occurs in innocent words, and is no secret worth the name
_DEPTH_MAX = 8
# What every record has; whatever else one carries came in through `extra` or `logs.bound`.
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}

_NAMES = (
    r"[\w-]*(?:passw(?:or)?d|passphrase|secret|(?:api|access|account|private|subscription)[_-]?key|signature|"
    r"(?<![a-z])token|[_-]token|authorization|connection[_-]?string|credential)"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_PLACES = (
    re.compile(rf"(?P<before>\b{_NAMES}=[\"']?)(?!\[redacted)[^\s\"'&;,)}}\]]{{4,}}", re.IGNORECASE),
    re.compile(
        rf"(?P<before>\b{_NAMES}(?P<quote>\\?[\"'])\s*:\s*(?:b?\\?[\"'])(?:Bearer )?)(?!\[redacted)[^\"'\\]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>[?&](?:sig|code)=)(?!\[redacted)[^\s\"'&;,)#]+"),
    re.compile(r"(?P<before>://[^/\s:@\"']*:)(?!\[redacted)[^@\s/\"']+(?=@)"),
    re.compile(r"(?P<before>\bBearer )(?!\[redacted)[\w.~+/=-]{8,}", re.IGNORECASE),
)
"""Where secrets stand that nobody has registered: those of an event, of an answer, of a library's own message."""

_forms: set[str] = set()
_pattern: re.Pattern[str] | None = None
_kept_pattern: re.Pattern[str] | None = None


def register_secrets(*secrets: str) -> None:
    """From now on these values appear in no record, also not as they are written in JSON or in a URL.

    Values of less than four characters are left alone.
    """
    global _pattern, _kept_pattern
    for secret in secrets:
        if len(secret) >= SECRET_LENGTH_MIN:
            _forms.update((secret, json.dumps(secret)[1:-1], quote(secret, safe="")))
    if _forms:  # the longest first: a connection string goes as a whole, before the key within it
        _pattern = _any_of(_forms)
        _kept_pattern = _any_of({form for form in _forms if len(form) >= KEPT_LENGTH_MIN})


def redact(text: str) -> str:
    """The text with every registered secret replaced by `[redacted]`, and whatever stands where secrets stand: behind
    a name such as `password=` or `"api_key": `, in a URL's user part or signature, behind `Bearer`.
    """
    known = _pattern.sub(REPLACEMENT, text) if _pattern else text
    if "=" not in known and ":" not in known and "earer " not in known:
        return known
    for pattern in _PLACES:
        known = pattern.sub(rf"\g<before>{REPLACEMENT}", known)
    return known


def is_secret_name(name: str) -> bool:
    """Whether what has this name is a secret: `password`, `api_key`, `AccountKey`, `sas_token` and the like."""
    return _SECRET_NAME.fullmatch(name) is not None


def redact_json(content: bytes) -> bytes:
    """JSON without the registered secrets of eight characters and more: for what is kept and read back. A shorter one
    is too likely a word of somebody's, whose text would not be the same again.
    """
    if _kept_pattern is None or not _kept_pattern.search(content.decode()):
        return content
    return json.dumps(_without_secrets(json.loads(content), _kept_pattern), separators=(",", ":")).encode()


def _any_of(forms: set[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))) if forms else None


def _without_secrets(value: Any, secrets: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return secrets.sub(REPLACEMENT, value)
    if isinstance(value, list):
        return [_without_secrets(each, secrets) for each in value]
    if isinstance(value, dict):
        return {secrets.sub(REPLACEMENT, key): _without_secrets(inner, secrets) for key, inner in value.items()}
    return value


def extra_fields(record: logging.LogRecord) -> dict[str, object]:
    """What a record carries beside the standard attributes."""
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}


class Redaction(logging.Filter):
    """Takes the secrets out of a record's message, exception, stack and extra fields, in place; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_message(record)), None
        record.stack_info = redact(record.stack_info) if record.stack_info else None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text and redact(record.exc_text) != record.exc_text:
            # Handlers that look at the exception itself would find the secret there.
            record.exc_text, record.exc_info = redact(record.exc_text), None
        record.__dict__.update({name: _under(name, value, 0) for name, value in extra_fields(record).items()})
        return True


def plain(value: object, depth: int = 0) -> object:
    """The value as JSON knows it, without secrets; what JSON does not know becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping) and depth < _DEPTH_MAX:
        return {redact(str(key)): _under(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEPTH_MAX:
        return [plain(inner, depth + 1) for inner in value]
    return redact(str(value))


def _under(name: str, value: object, depth: int) -> object:
    return REPLACEMENT if isinstance(value, str | bytes) and value and is_secret_name(name) else plain(value, depth)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a format that does not fit its arguments must not stop the program that logs
        return f"{record.msg!r} with {record.args!r} ({type(error).__name__}: {error})"
