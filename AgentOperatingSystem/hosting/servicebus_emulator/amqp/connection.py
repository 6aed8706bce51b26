"""The server's side of one connection: protocol headers, SASL, open and close, sessions by channel.

`server` feeds it the bytes of a socket and writes what it leaves in `output`. A peer that breaks a rule gets a close
with the reason; nothing that it sends can raise out of `feed`.
"""

import logging
from collections.abc import Callable
from enum import Enum
from typing import Any

from AgentOperatingSystem.hosting.servicebus_emulator.amqp.frames import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    FRAME_BYTES_MIN,
    SASL_FRAME,
    SASL_HEADER,
    FrameReader,
    frame,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.links import Link
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.performatives import (
    Begin,
    Close,
    End,
    Error,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
)
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.session import Session
from AgentOperatingSystem.hosting.servicebus_emulator.amqp.types import AmqpError, Array, Symbol

FRAME_BYTES_MAX = 65_536
CHANNEL_MAX = 255
CONTAINER = "local-service-bus"
_MECHANISMS = (Symbol("ANONYMOUS"), Symbol("MSSBCBS"), Symbol("EXTERNAL"), Symbol("PLAIN"))
_log = logging.getLogger(__name__)


class _Stage(Enum):
    HEADER = 1  # a protocol header comes next
    SASL = 2
    OPEN = 3  # frames
    CLOSED = 4


class Connection:
    """One client. `on_link` is told of each link that the client attaches."""

    def __init__(self, on_link: Callable[["Connection", Link], None]) -> None:
        self.output = bytearray()
        self.idle_seconds: float | None = None
        self.frame_bytes_max = FRAME_BYTES_MIN
        self._on_link = on_link
        self._reader = FrameReader(FRAME_BYTES_MAX)
        self._stage = _Stage.HEADER
        self._is_opened = False
        self._sessions: dict[int, Session] = {}

    @property
    def is_closed(self) -> bool:
        """Whether the socket is to be closed, once `output` is written."""
        return self._stage is _Stage.CLOSED

    def feed(self, data: bytes) -> None:
        """What the client sent."""
        self._reader.feed(data)
        try:
            self._advance()
        except AmqpError as error:
            self.close(Error(error.condition, error.description, {Symbol("source"): CONTAINER}))
        except Exception as error:  # a bug of ours must cost one client its connection, and not all of them
            _log.exception("a connection is closed")
            self.close(Error("amqp:internal-error", str(error), {Symbol("source"): CONTAINER}))

    def take(self) -> bytes:
        """What is to be written, out of our hands."""
        taken = bytes(self.output)
        self.output.clear()
        return taken

    def heartbeat(self) -> None:
        """Shows a client with an idle limit that the server is there."""
        if self._is_opened and not self.is_closed:
            self.output += EMPTY_FRAME

    def close(self, error: Error | None = None) -> None:
        """Ends the connection from this side."""
        if self.is_closed:
            return
        if self._is_opened:
            self.write(Close(error), b"", 0)
        self.gone()

    def gone(self) -> None:
        """The socket is closed, or is to be."""
        self._stage = _Stage.CLOSED
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            session.end()

    def write(self, record: Any, payload: bytes, channel: int) -> None:
        """See `session.Wire`."""
        if not self.is_closed:
            self.output += frame(record, payload, channel)

    def _advance(self) -> None:
        while True:
            if self._stage is _Stage.HEADER:
                header = self._reader.header()
                if header is None:
                    return
                self._took_header(header)
            for kind, channel, record, payload in self._reader.frames():
                self._took_frame(kind, channel, record, payload)
                if self._stage in (_Stage.HEADER, _Stage.CLOSED):
                    break
            if self._stage is not _Stage.HEADER:
                return

    def _took_header(self, header: bytes) -> None:
        if header == SASL_HEADER:
            self.output += SASL_HEADER + frame(SaslMechanisms(Array(Symbol, _MECHANISMS)), kind=SASL_FRAME)
            self._stage = _Stage.SASL
        elif header == AMQP_HEADER:
            self.output += AMQP_HEADER
            self._stage = _Stage.OPEN
        else:
            self.output += SASL_HEADER  # the version that is spoken here, as part 2.2 asks
            self.gone()

    def _took_frame(self, kind: int, channel: int, record: Any, payload: bytes) -> None:
        if self._stage is _Stage.SASL:
            return self._took_sasl(kind, record)
        if kind != AMQP_FRAME:
            raise AmqpError("amqp:not-allowed", f"a frame of type {kind} after the negotiation")
        if record is None:
            return
        match record:
            case Open():
                self._opened(record)
            case _ if not self._is_opened:
                raise AmqpError("amqp:not-allowed", "the first frame is not an open")
            case Close():
                self.close()
            case Begin():
                self._began(channel, record)
            case End():
                self._ended(channel)
            case _:
                self._session(channel).took(record, payload)

    def _took_sasl(self, kind: int, record: Any) -> None:
        """Everybody may come in: what a client may do is asked at `$cbs`."""
        if kind != SASL_FRAME or not isinstance(record, SaslInit):
            raise AmqpError("amqp:not-allowed", "the negotiation awaits a sasl-init")
        known = record.mechanism in _MECHANISMS
        self.output += frame(SaslOutcome(0 if known else 1), kind=SASL_FRAME)
        self._stage = _Stage.HEADER
        if not known:
            self.gone()

    def _opened(self, record: Open) -> None:
        if self._is_opened:
            raise AmqpError("amqp:not-allowed", "a second open")
        self._is_opened = True
        wanted = record.max_frame_size if record.max_frame_size is not None else FRAME_BYTES_MAX
        self.frame_bytes_max = max(min(wanted, FRAME_BYTES_MAX), FRAME_BYTES_MIN)
        self.idle_seconds = record.idle_time_out / 1000 if record.idle_time_out else None
        self.write(Open(CONTAINER, None, FRAME_BYTES_MAX, CHANNEL_MAX), b"", 0)

    def _began(self, channel: int, record: Begin) -> None:
        if channel in self._sessions or channel > CHANNEL_MAX:
            raise AmqpError("amqp:not-allowed", f"channel {channel} is in use, or beyond {CHANNEL_MAX}")
        self._sessions[channel] = Session(self, channel, record, lambda link: self._on_link(self, link))

    def _ended(self, channel: int) -> None:
        session = self._sessions.pop(channel, None)
        if session is not None:
            session.end()
            self.write(End(), b"", channel)

    def _session(self, channel: int) -> Session:
        session = self._sessions.get(channel)
        if session is None:
            raise AmqpError("amqp:not-allowed", f"a frame on channel {channel}, where no session is")
        return session
