"""Logging: the standard library's loggers, as JSON lines or as text, with what the work is about and without secrets.

The command line and the hosts call `configure` once and register the configuration's secrets; the kernel wraps each
turn in `bound(tenant=…, agent=…, event=…)`; everyone else only calls `logging.getLogger(__name__)`. A host that has
handlers of its own, as Azure Functions does, adds `Context` and `Redaction` to them as filters. Specification rows 210
and 211.
"""

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from json import dumps
from types import MappingProxyType
from typing import TextIO

from AgentOperatingSystem.clock import iso
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.observability import tracing
from AgentOperatingSystem.observability.redaction import Redaction, extra_fields, redact, register_secrets
from AgentOperatingSystem.observability.traceparent import parse

__all__ = ["Context", "JsonLines", "Redaction", "Text", "bound", "configure", "redact", "register_secrets"]

# They report every request at INFO, which is more lines than events.
CHATTY = ("azure", "httpcore", "httpx", "httpcore2", "httpx2", "mcp", "urllib3")
_bound: ContextVar[Mapping[str, object]] = ContextVar("log_fields", default=MappingProxyType({}))


def configure(level: str = "INFO", json: bool = False, stream: TextIO | None = None) -> None:
    """Writes every logger's records of this level and above to `stream` (standard error), as JSON lines or as text.

    Called again, it replaces its own handler and leaves those of others. Raises `ConfigurationError` for an unknown
    level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigurationError(f"log level {level!r} is not one of {', '.join(logging.getLevelNamesMapping())}")
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, Handler)]:
        root.removeHandler(handler)
    root.addHandler(Handler(JsonLines() if json else Text(), stream))
    root.setLevel(number)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if number > logging.DEBUG else number)


class bound:  # a class, not a generator, because the kernel enters it for every turn
    """Within the `with` block, and in tasks that it starts, every record carries these fields too."""

    __slots__ = ("_fields", "_token")

    def __init__(self, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        self._token = _bound.set({**_bound.get(), **self._fields})

    def __exit__(self, *_: object) -> None:
        _bound.reset(self._token)


class Handler(logging.StreamHandler[TextIO]):
    """The handler that `configure` installs."""

    def __init__(self, formatter: logging.Formatter, stream: TextIO | None) -> None:
        super().__init__(stream)
        self.addFilter(Context())
        self.addFilter(Redaction())
        self.setFormatter(formatter)


class Context(logging.Filter):
    """Adds the fields of `bound` and the ids of the present trace to a record; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in {**_bound.get(), **_trace_fields()}.items():
            record.__dict__.setdefault(name, value)
        return True


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message, then every other field, then the exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": iso(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        exception = record.exc_text or (self.formatException(record.exc_info) if record.exc_info else None)
        ends = {"exception": exception, "stack": record.stack_info}
        more = extra_fields(record) | {name: text for name, text in ends.items() if text}
        return dumps(fields | {name: value for name, value in more.items() if name not in fields}, default=str)


class Text(logging.Formatter):
    """For people: `time level logger: message  field=value …`; the later lines of a message are indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-8s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        # An indented line cannot pass for a record of its own (CWE-117).
        record.message = record.message.replace("\r", "\\r").replace("\n", "\n    ")
        fields = "".join(f" {name}={value}" for name, value in extra_fields(record).items())
        return f"{super().formatMessage(record)}{' ' if fields else ''}{fields}"


def _trace_fields() -> dict[str, object]:
    present = tracing.traceparent()
    trace = parse(present) if present else None
    return {"trace_id": f"{trace.trace_id:032x}", "span_id": f"{trace.span_id:016x}"} if trace else {}
