"""Events as CloudEvents 1.0, in and out: the versioned envelope (specification row 89), JSON format, HTTP binding.

Doors feed `from_http` with what came in and hand its events to the mailroom; whoever sends events out asks
`to_structured` or `to_binary`. Only this module knows the CloudEvents SDK, which does the headers' escaping and the
attributes' rules; data is read and written here, because an event's data is any JSON value and the SDK's own JSON
format turns what it cannot read into text.

What an attribute becomes:

    specversion                            1.0, or refused
    id, source, type, subject, time        the event's own fields
    datacontenttype                        JSON and text are read, all else is refused; written as application/json
    aosagent, aosreplyto                   `name` or `name/key`; of another tenant: `tenant|name/key`
    aosconversation, aoscorrelation,
    aoscausation, aostopic, traceparent    texts
    aospriority                            0 to 9
    aosdue                                 RFC 3339
    aostenant                              refused from outside where it is not the caller's own
    aoshops, aoscredits, aosgeneration,
    aosasks                                ignored from outside: there, an event begins a chain of its own
    other names that begin with `aos`      refused: most likely misspelt
    anything else                          kept in `Event.extensions`; in headers every value is a text

`crashes` is what one system knows of its own hosts and has no attribute. Limits: a text has at most 1024 characters and
no control characters, an event at most 64 attributes, a batch at most 1000 events.
"""

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from AgentOperatingSystem.clock import from_iso, iso
from AgentOperatingSystem.errors import InvalidEvent, InvalidInput
from AgentOperatingSystem.events import TEXT_LENGTH_MAX, Event, asks_of, asks_text, encode
from AgentOperatingSystem.ids import DEFAULT_TENANT, AgentId

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

JSON: Final = "application/json"
STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
ATTRIBUTES_MAX: Final = 64
NAME_LENGTH_MAX: Final = 64
BATCH_MAX: Final = 1000

_REQUIRED: Final = ("specversion", "id", "source", "type")
_STANDARD: Final = frozenset({*_REQUIRED, "subject", "time", "datacontenttype"})
_TEXTS: Final = {
    "aosconversation": "conversation",
    "aoscorrelation": "correlation",
    "aoscausation": "causation",
    "aostopic": "topic",
    "traceparent": "traceparent",
}
_NUMBERS: Final = {"aospriority": "priority", "aoshops": "hops", "aoscredits": "credits", "aosgeneration": "generation"}
_ASKS: Final = "aosasks"
_INSIDE_ONLY: Final = frozenset({"aoshops", "aoscredits", "aosgeneration"})
_ADDRESSES: Final = {"aosagent": "agent", "aosreplyto": "reply_to"}
_KNOWN: Final = frozenset({*_STANDARD, *_TEXTS, *_NUMBERS, *_ADDRESSES, _ASKS, "aosdue", "aostenant"})
_JSON_TYPE: Final = re.compile(r"(application|text)/([\w.+\-]+\+)?json")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DIGITS: Final = re.compile(r"-?\d{1,10}")


def from_http(
    headers: Mapping[str, str], body: bytes, *, tenant: str = DEFAULT_TENANT, trusted: bool = False
) -> list[Event]:
    """The events of one HTTP request: one in structured or binary mode, any number in a batch; the content type says.

    They belong to `tenant`, the caller's. `trusted` is for messages that this system sent itself: only there are
    tenant, hops, credits, generation and asks taken from the event. Raises `InvalidEvent` and says what is wrong, and
    where.
    """
    media = _media_type(headers)
    if media == BATCH:
        return [
            _read(f"event {place} of the batch", {"content-type": STRUCTURED}, each, tenant, trusted)
            for place, each in enumerate(_batch(body), 1)
        ]
    if media.startswith("application/cloudevents") and media != STRUCTURED:
        raise InvalidEvent(f"CloudEvent: content type {media[:80]!r} is not known here; send {STRUCTURED} or {BATCH}")
    return [_read("CloudEvent", headers, body, tenant, trusted)]


def to_structured(event: Event) -> bytes:
    """The event as one JSON document of content type `STRUCTURED`. Raises `InvalidEvent`."""
    from cloudevents.core.bindings import http

    with _errors_of(f"event {event.id}"):
        return http.to_structured(_cloud_event(event), _Json()).body


def to_binary(event: Event) -> tuple[dict[str, str], bytes]:
    """The event as HTTP headers and a body that holds nothing but the data. Raises `InvalidEvent`."""
    from cloudevents.core.bindings import http

    with _errors_of(f"event {event.id}"):
        message = http.to_binary(_cloud_event(event, spelt=True), _Json())
        return message.headers, message.body


# --- reading ------------------------------------------------------------------------------------------------


def _batch(body: bytes) -> list[bytes]:
    with _errors_of("batch of CloudEvents"):
        found = msgspec.json.decode(body, type=list[msgspec.Raw])
    if len(found) > BATCH_MAX:
        raise InvalidEvent(f"batch of CloudEvents: {len(found)} events; at most {BATCH_MAX} at once")
    return [bytes(each) for each in found]


def _read(where: str, headers: Mapping[str, str], body: bytes, tenant: str, trusted: bool) -> Event:
    from cloudevents.core.bindings import http

    with _errors_of(where):
        message = http.HTTPMessage({name.lower(): value for name, value in headers.items()}, body)
        if _media_type(headers) == STRUCTURED:
            cloud = http.from_structured(message, _Json(), _strict)
        else:
            _check_escapes(message.headers)
            cloud = http.from_binary(message, _Json(), _strict)
        return _event(cloud.get_attributes(), cloud.get_data(), tenant, trusted)


def _strict(attributes: dict[str, Any], data: Any) -> "CloudEvent":
    """A CloudEvent with nothing made up: the SDK gives an id and a time to one that has none."""
    from cloudevents.core.v1.event import CloudEvent

    attributes = {name: value for name, value in attributes.items() if value is not None}
    missing = [name for name in _REQUIRED if name not in attributes]
    if missing:
        raise InvalidEvent(f"the attribute {missing[0]!r} is missing")
    if len(attributes) > ATTRIBUTES_MAX:
        raise InvalidEvent(f"{len(attributes)} attributes; at most {ATTRIBUTES_MAX}")
    for name, value in attributes.items():
        _check_attribute(name, value)
    has_time = "time" in attributes
    cloud = CloudEvent(attributes, data)
    if not has_time:
        del cloud.get_attributes()["time"]
    return cloud


def _check_attribute(name: str, value: Any) -> None:
    if len(name) > NAME_LENGTH_MAX:
        raise InvalidEvent(f"attribute name {name[:80]!r}: at most {NAME_LENGTH_MAX} characters")
    if isinstance(value, str):
        if len(value) > TEXT_LENGTH_MAX or _CONTROL.search(value):
            limits = f"at most {TEXT_LENGTH_MAX} characters, none of them control characters"
            raise InvalidEvent(f"attribute {name!r} is {value[:80]!r}: {limits}")
    elif not isinstance(value, int | datetime):
        raise InvalidEvent(f"attribute {name!r} is neither a text, a whole number nor a truth value")


def _check_escapes(headers: Mapping[str, str]) -> None:
    """The SDK reads a wrong escape as U+FFFD, so that two ids could become one."""
    for name, value in headers.items():
        if name.startswith("ce-"):
            try:
                unquote_to_bytes(value).decode()
            except UnicodeDecodeError:
                raise InvalidEvent(f"header {name!r} is {value[:80]!r}: its escapes are not UTF-8") from None


def _event(attributes: dict[str, Any], data: Any, tenant: str, trusted: bool) -> Event:
    tenant = _tenant(attributes, tenant, trusted)
    fields: dict[str, Any] = {field: _text(attributes, name) for name, field in _TEXTS.items() if name in attributes}
    for name, field in _NUMBERS.items():
        if name in attributes and (trusted or name not in _INSIDE_ONLY):
            fields[field] = _number(attributes, name)
    for name, field in _ADDRESSES.items():
        if name in attributes:
            fields[field] = _address(attributes, name, tenant, trusted)
    if _ASKS in attributes and trusted:
        fields["asks"] = asks_of(_text(attributes, _ASKS))
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject", ""),
        time=attributes["time"].timestamp() if "time" in attributes else 0.0,
        due=from_iso(_text(attributes, "aosdue")) if "aosdue" in attributes else 0.0,
        tenant=tenant,
        data=data,
        extensions=_extensions(attributes),
        **fields,
    )


def _tenant(attributes: dict[str, Any], tenant: str, trusted: bool) -> str:
    named = _text(attributes, "aostenant") if "aostenant" in attributes else tenant
    if named != tenant and not trusted:
        raise InvalidEvent(f"attribute 'aostenant' is {named[:80]!r}, but the caller belongs to tenant {tenant!r}")
    return named


def _address(attributes: dict[str, Any], name: str, tenant: str, trusted: bool) -> AgentId:
    text = _text(attributes, name)
    agent = AgentId.from_partition(text) if "|" in text.partition("/")[0] else AgentId.parse(text, tenant)
    if agent.tenant != tenant and not trusted:
        raise InvalidEvent(f"attribute {name!r} is {text[:80]!r}, but the caller belongs to tenant {tenant!r}")
    return agent


def _text(attributes: dict[str, Any], name: str) -> str:
    value = attributes[name]
    if not isinstance(value, str):
        raise InvalidEvent(f"attribute {name!r} is not a text")
    return value


def _number(attributes: dict[str, Any], name: str) -> int:
    """A whole number, or its digits: over HTTP's binary mode everything is a text."""
    value = attributes[name]
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not -1 <= number < 1 << 31:
        raise InvalidEvent(f"attribute {name!r} is {str(value)[:80]!r}, which is not a number of the right size")
    return number


def _extensions(attributes: dict[str, Any]) -> dict[str, str | int | bool] | None:
    others = {name: value for name, value in attributes.items() if name not in _KNOWN}
    ours = [name for name in others if name.startswith("aos")]
    if ours:
        known = ", ".join(sorted(name for name in _KNOWN if name.startswith("aos")))
        raise InvalidEvent(
            f"attribute {ours[0]!r}: names that begin with 'aos' belong to this system, which has {known}"
        )
    return others or None


# --- writing ------------------------------------------------------------------------------------------------


def _cloud_event(event: Event, *, spelt: bool = False) -> "CloudEvent":
    """The event with all its attributes; `spelt` for headers, where a truth value is the text `true` or `false`."""
    attributes: dict[str, Any] = {"specversion": "1.0", "id": event.id, "source": event.source, "type": event.type}
    if event.subject:
        attributes["subject"] = event.subject
    if event.time:
        attributes["time"] = datetime.fromtimestamp(event.time, UTC)
    if event.data is not None:
        attributes["datacontenttype"] = JSON
    others = event.extensions or {}
    if spelt:
        others = {name: str(value).lower() if isinstance(value, bool) else value for name, value in others.items()}
    return _strict(attributes | _own_extensions(event) | others, event.data)


def _own_extensions(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(event, field) for name, field in (*_TEXTS.items(), *_NUMBERS.items())}
    written = {name: value for name, value in found.items() if value not in ("", 0, -1)}
    if event.credits == 0:  # the chain may cause nothing more: not the same as unsaid
        written["aoscredits"] = 0
    if event.asks:
        written[_ASKS] = asks_text(event.asks)
    if event.due:
        written["aosdue"] = iso(event.due)
    if event.tenant != DEFAULT_TENANT:
        written["aostenant"] = event.tenant
    for name, field in _ADDRESSES.items():
        agent = getattr(event, field)
        if agent is not None:
            written[name] = str(agent) if agent.tenant == event.tenant else agent.partition
    return written


class _Json:
    """The SDK's port for a format: JSON, strictly."""

    def read(self, event_factory: Any, data: str | bytes) -> Any:
        attributes = msgspec.json.decode(data, type=dict[str, Any])
        if isinstance(attributes.get("time"), str):
            attributes["time"] = datetime.fromisoformat(attributes["time"])
        content = attributes.pop("data", None)
        packed = attributes.pop("data_base64", None)
        if packed is not None:
            if content is not None or not isinstance(packed, str):
                raise InvalidEvent("give either 'data' or a text 'data_base64'")
            content = self.read_data(_unpacked(packed), attributes.get("datacontenttype"))
        return event_factory(attributes, content)

    def write(self, event: Any) -> bytes:
        data = event.get_data()
        return encode(event.get_attributes() | ({"data": data} if data is not None else {}))

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:
        media, _, parameters = (datacontenttype or JSON).lower().partition(";")
        if "charset" in parameters and not re.search(r"charset\s*=\s*\"?(utf-8|us-ascii)\b", parameters):
            raise InvalidEvent(f"content type {datacontenttype!r}: only UTF-8 is read")
        if not body:
            return None
        if _JSON_TYPE.fullmatch(media.strip()):
            return msgspec.json.decode(body)
        if media.startswith("text/"):
            return body.decode()
        raise InvalidEvent(f"data of content type {media.strip()[:80]!r}: an event's data is JSON or text")

    def write_data(self, data: Any, datacontenttype: str | None) -> bytes:
        return encode(data) if data is not None else b""

    def get_content_type(self) -> str:
        return STRUCTURED


def _unpacked(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise InvalidEvent(f"'data_base64' is not base64: {error}") from None


# --- both ---------------------------------------------------------------------------------------------------


def _media_type(headers: Mapping[str, str]) -> str:
    value = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return value.partition(";")[0].strip().lower()


@contextlib.contextmanager
def _errors_of(where: str) -> Iterator[None]:
    """Everything that is wrong with an event becomes `InvalidEvent`, with the place in front."""
    from cloudevents.core.exceptions import CloudEventValidationError

    try:
        yield
    except CloudEventValidationError as error:
        what = "; ".join(str(each) for several in error.errors.values() for each in several)
        raise InvalidEvent(f"{where}: {what}") from None
    except (InvalidInput, ValueError, OverflowError, RecursionError) as error:
        raise InvalidEvent(f"{where}: {error}") from None
