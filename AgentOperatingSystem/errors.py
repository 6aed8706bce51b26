"""Every error that the system raises on purpose, in one tree.

    AOSError
    ├── ConfigurationError             a setting, a route or the user's app is wrong
    │   └── SandboxUnavailable · EmbedderMismatch
    ├── InvalidInput                   the caller sent something that can never work
    │   ├── InvalidEvent · InvalidAgentId · InvalidSchedule · InvalidTopic · InvalidHandler
    │   ├── IdempotencyKeyReused       same key, another body
    │   └── TooLarge · UnsupportedMediaType · UnreadableDocument
    ├── NotFound                       UnknownAgent · UnknownEvent · UnknownSchedule · BlobNotFound · UnknownTool
    ├── Refused                        the request is fine, the moment or the caller is not
    │   ├── Unauthorized · Forbidden
    │   │                  └── AddressRefused   a URL leads to where nothing may be fetched from
    │   ├── EventInFlight · IllegalTransition · AgentTerminated · RequestTimedOut
    │   └── Overloaded · CircuitOpen · Draining      (carry retry_after_seconds)
    ├── StoreError
    │   ├── Conflict · Duplicate       the fence moved · the event's row exists
    │   └── StoreUnavailable · StateUnreadable
    ├── EventFailed                    the event that was waited for ended without a result
    ├── ServiceError                   a service outside of the system failed
    └── HandlerError                   raised by agents to say what is to happen with the event
        ├── Retryable(after_seconds)   try again, later
        ├── Unavailable(after_seconds) something the agent needs is down: back off the agent, not the event
        ├── Terminal · Deadlock        never try again; a ring of agents that wait for one another
        ├── Quarantine                 keep it aside for a person
        ├── TurnTimedOut               the handler ran past its time limit
        └── ModelError                 a model gave no usable answer; each kind is one of the above too:
            ├── RateLimited · ModelUnavailable · ModelUnauthorized                    Unavailable
            ├── MalformedAnswer                                                       Retryable
            ├── ContextOverflow · ContentFiltered                                     Terminal
            └── UnsupportedRequest · BadModelRequest · UnknownModel · NoModelConfigured   Quarantine

The question that divides them is "try again?": `Retryable`, `Unavailable` and everything with `retry_after_seconds`
say yes. Each class has a stable `code` (`docs_url` explains it) and the HTTP `status` that doors answer with.
"""

from collections.abc import Sequence


class AOSError(Exception):
    """Base of every error of this package."""

    code = "aos"
    status = 500

    @property
    def docs_url(self) -> str:
        """Where the error is explained."""
        return f"docs/errors.md#{self.code}"


class ConfigurationError(AOSError):
    """A setting, a route or the user's app is wrong; the message names the key and where its value came from."""

    code, status = "configuration", 500


class SandboxUnavailable(ConfigurationError):
    """This machine cannot isolate a program, or not reliably; the program was not run."""

    code, status = "sandbox-unavailable", 503


class EmbedderMismatch(ConfigurationError):
    """A collection of the knowledge base has vectors of another embedder; the two are never mixed."""

    code, status = "embedder-mismatch", 409


class InvalidInput(AOSError):
    """The input can never be accepted as it is."""

    code, status = "invalid-input", 422


class InvalidEvent(InvalidInput):
    """An event breaks the envelope's rules."""

    code = "invalid-event"


class InvalidAgentId(InvalidInput):
    """An agent's tenant, name or key is not well formed."""

    code = "invalid-agent-id"


class InvalidSchedule(InvalidInput):
    """A cron expression, a time or a missed-run policy is not understood."""

    code = "invalid-schedule"


class InvalidTopic(InvalidInput):
    """A topic or topic pattern is not well formed."""

    code = "invalid-topic"


class InvalidHandler(InvalidInput):
    """A subscription's handler cannot be found again after a restart (closure, lambda, local function)."""

    code = "invalid-handler"


class IdempotencyKeyReused(InvalidInput):
    """The same idempotency key came with another body."""

    code = "idempotency-key-reused"


class TooLarge(InvalidInput):
    """A body, a state or an output is over its limit."""

    code, status = "too-large", 413


class UnsupportedMediaType(InvalidInput):
    """The body is of a type that this route does not read."""

    code, status = "unsupported-media-type", 415


class UnreadableDocument(InvalidInput):
    """A document is damaged, encrypted, a scan without text, or takes too long to read."""

    code = "unreadable-document"


class NotFound(AOSError):
    """There is no such thing."""

    code, status = "not-found", 404


class UnknownAgent(NotFound):
    """No such agent is registered, or this instance has never been woken."""

    code = "unknown-agent"


class UnknownEvent(NotFound):
    """No event with this source and id is known to the agent."""

    code = "unknown-event"


class UnknownSchedule(NotFound):
    """The agent has no schedule of this name."""

    code = "unknown-schedule"


class BlobNotFound(NotFound):
    """No blob lies under this name."""

    code = "blob-not-found"


class UnknownTool(NotFound, AttributeError):
    """No tool of this name is registered; an `AttributeError` too, for `tools.name` is how Python code asks."""

    code = "unknown-tool"


class Refused(AOSError):
    """The request is well formed, but cannot be served now or for this caller."""

    code, status = "refused", 409

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unauthorized(Refused):
    """No valid token or signature came with the request."""

    code, status = "unauthorized", 401


class Forbidden(Refused):
    """The caller is known, but may not do this."""

    code, status = "forbidden", 403


class AddressRefused(Forbidden):
    """A URL leads to a place that nothing may be fetched from; no connection was made to it."""

    code = "address-refused"


class EventInFlight(Refused):
    """The first event with this idempotency key is still in flight, and this one has another body."""

    code = "event-in-flight"


class IllegalTransition(Refused):
    """A state machine has no such move from its present state."""

    code = "illegal-transition"


class AgentTerminated(Refused):
    """The agent was terminated; a tombstone is all that is left."""

    code, status = "agent-terminated", 410


class RequestTimedOut(Refused):
    """No reply came within the request's time."""

    code, status = "request-timed-out", 504


class Overloaded(Refused):
    """Too much is waiting: backpressure instead of unbounded memory."""

    code, status = "overloaded", 429


class CircuitOpen(Refused):
    """A circuit breaker is open; the call was not made."""

    code, status = "circuit-open", 503


class Draining(Refused):
    """The host is shutting down and accepts nothing new."""

    code, status = "draining", 503


class StoreError(AOSError):
    """The store could not do what was asked."""

    code, status = "store", 503


class Conflict(StoreError):
    """The fence: another writer has moved the agent's ETag since it was read. Nothing was written."""

    code, status = "conflict", 409


class Duplicate(StoreError):
    """At least one event is already recorded for its agent. Nothing was written."""

    code, status = "duplicate", 409

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"already recorded: {', '.join(keys)}")
        self.keys = tuple(keys)


class StoreUnavailable(StoreError):
    """The store cannot be reached; the operation may or may not have happened."""

    code = "store-unavailable"


class StateUnreadable(StoreError):
    """State exists but cannot be used: a newer schema, a failed migration or broken bytes. It is never overwritten."""

    code, status = "state-unreadable", 500


class HandlerError(AOSError):
    """Base of what an agent raises to say what is to happen with its event."""

    code = "handler"


class Retryable(HandlerError):
    """Try the event again after `after_seconds` (default: exponential back-off with jitter)."""

    code, status = "retryable", 503

    def __init__(self, message: str = "", after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Unavailable(Retryable):
    """Something that the agent needs is down: the whole agent backs off and no attempt of the event is consumed."""

    code = "unavailable"


class Terminal(HandlerError):
    """Never try this event again: it ends as failed, with this message."""

    code, status = "terminal", 422


class Deadlock(Terminal):
    """A request would close a ring of agents that wait for one another; it was not sent. `ring` names them in order."""

    code, status = "deadlock", 409

    def __init__(self, ring: Sequence[str]) -> None:
        super().__init__(
            f"this request would close a ring of agents that wait for one another: {' → '.join(ring)}; "
            "answer without asking, or let the first of them ask with waits=False if it answers others meanwhile"
        )
        self.ring = tuple(ring)


class Quarantine(HandlerError):
    """Put this event out of the way at once, with this reason, for a person to see."""

    code, status = "quarantine", 422


class TurnTimedOut(HandlerError):
    """The handler ran past the agent's time limit and was stopped."""

    code, status = "turn-timed-out", 504


class ModelError(HandlerError):
    """A model gave no usable answer. Every kind says what is to happen with the event, so a handler may let it pass."""

    code, status = "model", 502
    usage: object = None
    """What the call consumed all the same (`ml.records.Usage`), where that is known."""


class RateLimited(ModelError, Unavailable):
    """The provider wants fewer calls; `after_seconds` is its Retry-After, None where it did not say."""

    code, status = "rate-limited", 503


class ModelUnavailable(ModelError, Unavailable):
    """The provider is down, answered 5xx, cut its answer off or took too long."""

    code, status = "model-unavailable", 503


class ModelUnauthorized(ModelError, Unavailable):
    """The provider refuses the key (missing, wrong, not allowed this model, out of credit); a person has to act."""

    code, status = "model-unauthorized", 503


class MalformedAnswer(ModelError, Retryable):
    """The answer is empty or not what was asked for: broken JSON, arguments that are no object, another schema."""

    code, status = "malformed-answer", 502


class ContextOverflow(ModelError, Terminal):
    """The request is longer than the model's context."""

    code, status = "context-overflow", 422


class ContentFiltered(ModelError, Terminal):
    """The provider's filter, or the model itself, refused this content."""

    code, status = "content-filtered", 422


class UnsupportedRequest(ModelError, Quarantine):
    """The model cannot do what the request asks for (images, tools, a schema …); found before the call."""

    code, status = "unsupported-request", 422


class BadModelRequest(ModelError, Quarantine):
    """The provider says that the request is wrong."""

    code, status = "bad-model-request", 422


class UnknownModel(ModelError, Quarantine):
    """There is no such provider, or the provider knows no such model; another one is never taken instead."""

    code, status = "unknown-model", 400


class NoModelConfigured(ModelError, Quarantine):
    """A verdict was asked of the `offline` model, which gives none."""

    code, status = "no-model-configured", 503


class EventFailed(AOSError):
    """The event that was waited for ended without a result: failed, cancelled or quarantined."""

    code, status = "event-failed", 422


class ServiceError(AOSError):
    """A service outside of the system failed; what a circuit breaker usually expects (specification row 192)."""

    code, status = "service", 502
