"""Distributed tracing: `with tracing.span("process_event"):` around plain or asynchronous code (specification row 209).

Spans go to whatever OpenTelemetry tracer provider the process has configured (Azure Monitor, OTLP); without one a span
costs a dictionary look-up and does nothing. A trace crosses queues and processes as the `traceparent` of an event's
envelope: the sender writes `traceparent()` into it, and the receiver handles the event within
`attach(event.traceparent)`. Where no provider is configured, the received one is handed on unchanged.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from AgentOperatingSystem.observability.traceparent import Trace, parse, write

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer, TracerProvider

INSTRUMENTATION_NAME = "AgentOperatingSystem"
_received: ContextVar[str | None] = ContextVar("received_traceparent", default=None)
_NOT_ATTACHED: AbstractContextManager[None] = nullcontext()
_known: tuple["TracerProvider | None", "Tracer | None"] = (None, None)


class Span(Protocol):
    """What may be told to a span: the part of OpenTelemetry's `Span` that agents need."""

    def set_attribute(self, key: str, value: Any) -> None: ...

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None) -> None: ...

    def record_exception(self, exception: BaseException) -> None: ...


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


_NO_SPAN = NoSpan()


def span(name: str, attributes: Mapping[str, Any] | None = None) -> AbstractContextManager[Span]:
    """A span that lasts as long as the `with` block, child of the one around it or of the attached sender's.

    An exception that leaves the block is recorded on the span, which ends as failed, and passes.
    """
    tracer = _tracer()
    return tracer.start_as_current_span(name, attributes=attributes) if tracer else _NO_SPAN


def traceparent() -> str | None:
    """The present span as a W3C traceparent, for the envelope of what is sent now; None outside of any trace."""
    if _tracer():
        from opentelemetry import trace

        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            return write(Trace(context.trace_id, context.span_id, context.trace_flags))
    return _received.get()


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
    global _known
    api = sys.modules.get("opentelemetry.trace")
    if api is None:  # whoever configures a provider loads the API first
        return None
    # `get_tracer_provider()` reads the environment at each call, and that costs more than all of a turn's spans.
    provider = api.__dict__.get("_TRACER_PROVIDER")
    if provider is not _known[0]:
        _known = (provider, provider.get_tracer(INSTRUMENTATION_NAME) if provider else None)
    return _known[1]
