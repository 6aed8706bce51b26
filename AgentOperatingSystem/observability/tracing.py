"""Distributed tracing: `with tracing.span("process_event"):` around plain or asynchronous code (specification row 209).

Spans go to whatever OpenTelemetry tracer provider the process has configured (Azure Monitor, OTLP); without one a span
costs a dictionary look-up and does nothing. A trace crosses queues and processes as the `traceparent` of an event's
envelope: the sender writes `traceparent()` into it, and the receiver handles the event within
`attach(event.traceparent)`. Where no provider is configured, the received one is handed on unchanged.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from AgentOperatingSystem.observability.redaction import redact
from AgentOperatingSystem.observability.traceparent import Trace, parse, write

if TYPE_CHECKING:
    from opentelemetry.trace import SpanKind, Tracer, TracerProvider

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
"""What a span is to its trace (OpenTelemetry, "SpanKind")."""

INSTRUMENTATION_NAME = "AgentOperatingSystem"
_received: ContextVar[str | None] = ContextVar("received_traceparent", default=None)
_NOT_ATTACHED: AbstractContextManager[None] = nullcontext()
_known: tuple["TracerProvider | None", "Tracer | None"] = (None, None)
_own: "TracerProvider | None" = None


class Span(Protocol):
    """What may be told to a span: the part of OpenTelemetry's `Span` that agents need."""

    def set_attribute(self, key: str, value: Any) -> None: ...

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None: ...

    def record_exception(self, exception: BaseException) -> None: ...

    def end(self) -> None: ...


class NoSpan:
    """Stands for every span while no tracer provider is configured, and is its own context manager."""

    def __enter__(self) -> "NoSpan":
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing; the exception passes."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Does nothing."""

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None:
        """Does nothing."""

    def record_exception(self, exception: BaseException) -> None:
        """Does nothing."""

    def end(self) -> None:
        """Does nothing."""


NO_SPAN = NoSpan()


def span(
    name: str, attributes: Mapping[str, Any] | None = None, kind: Kind = "internal"
) -> AbstractContextManager[Span]:
    """A span that lasts as long as the `with` block, child of the one around it or of the attached sender's.

    An exception that leaves the block is recorded on the span, which ends as failed, and passes.
    """
    tracer = _tracer()
    if tracer is None:
        return NO_SPAN
    return _around(tracer, name, attributes, kind)


@contextmanager
def _around(tracer: "Tracer", name: str, attributes: Mapping[str, Any] | None, kind: Kind) -> Iterator[Span]:
    with tracer.start_as_current_span(
        redact(name),
        attributes=_told(attributes),
        kind=_kind(kind),
        record_exception=False,  # the SDK would tell what is to be redacted
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            fail(span, error)
            raise


def _told(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if attributes is None:
        return None
    return {name: redact(value) if isinstance(value, str) else value for name, value in attributes.items()}


def begin(name: str, attributes: Mapping[str, Any] | None = None, kind: Kind = "internal") -> Span:
    """A span that lasts until its `end`, and that nothing becomes a child of: for what a `with` block cannot hold, such
    as a stream.
    """
    tracer = _tracer()
    return (
        NO_SPAN if tracer is None else tracer.start_span(redact(name), attributes=_told(attributes), kind=_kind(kind))
    )


def fail(span: Span, error: BaseException) -> None:
    """Says on a span that has not ended why it failed, without secrets (OpenTelemetry, "Exceptions in spans")."""
    if span is NO_SPAN:
        return
    from opentelemetry.trace import Status, StatusCode

    kind, said = type(error), redact(str(error))
    told = {
        "exception.type": f"{kind.__module__}.{kind.__qualname__}",
        "exception.message": said,
        "exception.stacktrace": redact("".join(traceback.format_exception(error))),
    }
    span.add_event("exception", told)
    span.set_attribute("error.type", kind.__name__)
    span.set_status(Status(StatusCode.ERROR, f"{kind.__name__}: {said}"))  # type: ignore[attr-defined]  # the API's own span has it


def is_on() -> bool:
    """Whether spans go anywhere: what costs something is only worked out for them."""
    return _tracer() is not None


def traceparent_of(span: Span) -> str | None:
    """A span that was begun as a W3C traceparent; None where spans go nowhere."""
    return None if span is NO_SPAN else _written(span)


def use(provider: "TracerProvider | None") -> None:
    """Sends this system's spans to a provider of its own, whatever the process has; None undoes it."""
    global _own
    _own = provider


def traceparent() -> str | None:
    """The present span as a W3C traceparent, for the envelope of what is sent now; None outside of any trace."""
    if _tracer():
        from opentelemetry import trace

        present = _written(trace.get_current_span())
        if present is not None:
            return present
    return _received.get()


def _written(span: Any) -> str | None:
    context = span.get_span_context()
    return write(Trace(context.trace_id, context.span_id, context.trace_flags)) if context.is_valid else None


def _kind(kind: Kind) -> "SpanKind":
    from opentelemetry.trace import SpanKind

    return SpanKind[kind.upper()]


def attach(traceparent: str | None) -> AbstractContextManager[None]:
    """Within the `with` block, spans and sent events belong to the sender's trace.

    None, and what is no valid traceparent, change nothing: then a new trace begins, as W3C Trace Context asks.
    """
    trace = parse(traceparent) if traceparent else None
    return _attached(trace) if trace else _NOT_ATTACHED


@contextmanager
def _attached(trace: Trace) -> Iterator[None]:
    token = _received.set(write(trace))
    try:
        with _as_parent(trace) if _tracer() else _NOT_ATTACHED:
            yield
    finally:
        _received.reset(token)


@contextmanager
def _as_parent(trace: Trace) -> Iterator[None]:
    from opentelemetry import context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    remote = SpanContext(trace.trace_id, trace.span_id, is_remote=True, trace_flags=TraceFlags(trace.flags))
    token = context.attach(set_span_in_context(NonRecordingSpan(remote)))
    try:
        yield
    finally:
        context.detach(token)


def _tracer() -> "Tracer | None":
    """The configured provider's tracer. It is looked for each time, because a host may configure one at any time."""
    if _own is not None:
        return _made(_own)
    api = sys.modules.get("opentelemetry.trace")
    if api is None:  # whoever configures a provider loads the API first
        return None
    # `get_tracer_provider()` reads the environment at each call, and that costs more than all of a turn's spans.
    return _made(api.__dict__.get("_TRACER_PROVIDER"))


def _made(provider: "TracerProvider | None") -> "Tracer | None":
    global _known
    if provider is not _known[0]:
        _known = (provider, provider.get_tracer(INSTRUMENTATION_NAME) if provider else None)
    return _known[1]
