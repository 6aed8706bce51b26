"""What each kind of trigger hands to its function, in the shapes that the Azure Functions host sends.

Made by the front, the timers and the pollers; read by an engine.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from AgentOperatingSystem.hosting.functions_host.records import Datum, Payload

_NULL = Datum("json", "null")


def http(method: str, url: str) -> Payload:
    """A request whose head and body the worker's own server has."""
    return Payload(Datum("http", {"method": method, "url": url}))


def timer(now: float, *, is_past_due: bool = False) -> Payload:
    """A tick at `now` (UTC seconds)."""
    last = datetime.fromtimestamp(now, UTC).isoformat()
    status = {"Last": last, "Next": last, "LastUpdated": last}
    return Payload(_json({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": is_past_due}))


def event(content: Mapping[str, Any]) -> Payload:
    """An event of Event Grid, in either schema."""
    return Payload(_json(content))


def queue_message(body: str, properties: Mapping[str, Any]) -> Payload:
    """A message of a storage queue; `properties` are named as the host names them (`Id`, `DequeueCount` …)."""
    return Payload(Datum("string", body), {name: _json(value) for name, value in properties.items()})


def service_bus_message(body: bytes, properties: Mapping[str, Any]) -> Payload:
    """One message, for cardinality `one`."""
    return Payload(Datum("bytes", body), {name: _json(value) for name, value in properties.items()})


def service_bus_messages(bodies: Sequence[bytes], properties: Sequence[Mapping[str, Any]]) -> Payload:
    """Messages of one session, for cardinality `many`: each property is a list over all of them."""
    names = sorted({name for each in properties for name in each})
    arrays = {f"{name}Array": _json([each.get(name) for each in properties]) for name in names}
    return Payload(Datum("collection_bytes", list(bodies)), arrays)


def manual(trigger: str, text: str, metadata: Mapping[str, Any], now: float) -> Payload:
    """What `POST /admin/functions/{name}` runs a function with: `text` is the body, `metadata` the trigger's own."""
    found = {name: _json(value) for name, value in metadata.items()}
    if trigger == "timertrigger":
        return timer(now)
    if trigger == "servicebustrigger" and "UserPropertiesArray" in metadata:
        return Payload(Datum("collection_bytes", [each.encode() for each in _texts(text)]), found)
    if trigger == "servicebustrigger":
        return Payload(Datum("bytes", text.encode()), {"UserProperties": _json({}), **found})
    if trigger == "eventgridtrigger":
        return Payload(Datum("json", text), found)
    return Payload(Datum("string", text), found)


def _texts(text: str) -> list[str]:
    """A list of texts, from one JSON array; an element that is no text is taken as JSON."""
    found = json.loads(text)
    return [each if isinstance(each, str) else json.dumps(each) for each in found]


def _json(value: Any) -> Datum:
    return Datum("json", json.dumps(value)) if value is not None else _NULL
