"""How each provider is spoken to: pure functions from our records to its JSON and back. No I/O, no clock, no key.

`provider.HttpProvider` carries what a `Wire` writes, and hands a `Reader` what comes back.
"""

from collections.abc import Iterable
from typing import Any, Literal, Protocol, TypeAlias

from AgentOperatingSystem.ml.records import ModelDelta, ModelRequest, ModelResponse

Framing: TypeAlias = Literal["events", "lines"]
"""How a stream is cut into pieces: server-sent events, or lines of JSON."""


class Reader(Protocol):
    """Puts one streamed answer together."""

    def feed(self, event: Any) -> Iterable[ModelDelta]:
        """What this event adds for whoever listens. Raises `ModelError`s."""
        ...

    def response(self) -> ModelResponse:
        """The whole answer, at the end. Raises `ModelUnavailable` where the end was never seen."""
        ...


class Wire(Protocol):
    """A provider's own words for one model."""

    @property
    def framing(self) -> Framing: ...

    def path(self, streaming: bool) -> str: ...

    def body(self, request: ModelRequest, streaming: bool) -> dict[str, Any]: ...

    def read(self, answer: Any) -> ModelResponse:
        """A whole answer. Raises `ModelError`s, and `msgspec.ValidationError` where it has another shape."""
        ...

    def reader(self) -> Reader: ...
