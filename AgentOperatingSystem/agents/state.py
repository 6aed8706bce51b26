"""An agent's state as bytes: a plain dict, a pydantic model, a dataclass or a msgspec Struct, with a schema version.

State written by an older schema passes through the agent's declared migrations; state of a newer one, or bytes that do
not fit, raise `StateUnreadable`, and nothing is ever overwritten with defaults.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_origin

import msgspec

from AgentOperatingSystem.errors import StateUnreadable, TooLarge

Migration = Callable[[dict[str, Any]], dict[str, Any]]
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


class StateCodec:
    """Reads and writes the state of one agent type.

    `migrations[n]` turns the JSON of schema n into that of schema n + 1.
    """

    def __init__(
        self, state_type: type | None, schema: int, migrations: Mapping[int, Migration], bytes_max: int
    ) -> None:
        self.schema = schema
        self._type = state_type or dict
        self._migrations = migrations
        self._bytes_max = bytes_max
        self._class: Any = get_origin(self._type) or self._type
        self._is_model = hasattr(self._type, "model_validate_json")

    def fresh(self) -> Any:
        """The state of an agent that has none yet."""
        return self._type()

    def encode(self, state: Any) -> bytes:
        """JSON bytes. Raises `TooLarge`, or `StateUnreadable` where the state is not JSON or of another type."""
        if not isinstance(state, self._class):
            raise StateUnreadable(
                f"the state has become a {type(state).__name__}; it is declared as {self._type.__name__} (state_type)"
            )
        try:
            content = state.model_dump_json().encode() if self._is_model else _encoder.encode(state)
        except Exception as error:
            raise StateUnreadable(f"the state cannot be written as JSON: {error}") from error
        if len(content) > self._bytes_max:
            raise TooLarge(f"the state is {len(content)} bytes; state_bytes_max is {self._bytes_max}")
        return content

    def decode(self, content: bytes, schema: int) -> Any:
        """The state, migrated to this agent's schema; a fresh one where there is no content.

        Raises `StateUnreadable`.
        """
        if not content:
            return self.fresh()
        if schema > self.schema:
            raise StateUnreadable(
                f"the state has schema {schema}, this code knows up to {self.schema}: deploy the newer code"
            )
        return self._read(content, schema)

    def check(self, content: bytes) -> None:
        """Raises `StateUnreadable` where what was encoded could not be read again, such as a text in a field for
        numbers; a JSON object always can.
        """
        if self._type is not dict:
            self._read(content, self.schema)

    def _read(self, content: bytes, schema: int) -> Any:
        try:
            return self._parsed(self._migrated(content, schema))
        except StateUnreadable:
            raise
        except Exception as error:
            raise StateUnreadable(f"the state does not fit {self._type.__name__}: {error}") from error

    def _migrated(self, content: bytes, schema: int) -> bytes:
        if schema == self.schema:
            return content
        value = _decoder.decode(content)
        for version in range(schema, self.schema):
            if version not in self._migrations:
                raise StateUnreadable(f"no migration from schema {version} to {version + 1} is declared")
            value = self._migrations[version](value)
        return _encoder.encode(value)

    def _parsed(self, content: bytes) -> Any:
        if self._is_model:
            return self._type.model_validate_json(content)  # type: ignore[attr-defined]  # found by hasattr above
        if self._type is dict:
            value = _decoder.decode(content)
            if not isinstance(value, dict):
                raise StateUnreadable(f"the state is a JSON {type(value).__name__}, not an object")
            return value
        return msgspec.json.decode(content, type=self._type)
