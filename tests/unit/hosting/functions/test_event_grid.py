"""Deliveries of Event Grid in both of its schemas, and what is none."""

import json
from typing import Any

import pytest

from AgentOperatingSystem.errors import InvalidEvent
from AgentOperatingSystem.hosting.functions.event_grid import aside, event_of
from AgentOperatingSystem.ids import AgentId

BLOB = {
    "id": "831e1650-001e-001b-66ab-eeb76e069631",
    "topic": "/subscriptions/1/resourceGroups/desk/providers/Microsoft.Storage/storageAccounts/desk",
    "subject": "/blobServices/default/containers/in/blobs/Übersicht.pdf",
    "eventType": "Microsoft.Storage.BlobCreated",
    "eventTime": "2026-11-20T18:41:00.9584103Z",
    "data": {"contentLength": 524288},
    "dataVersion": "1",
    "metadataVersion": "1",
}


def test_event_grid_s_own_schema() -> None:
    event = event_of(json.dumps(BLOB), "acme")
    assert (event.id, event.source, event.type) == (BLOB["id"], BLOB["topic"], BLOB["eventType"])
    assert event.subject == "/blobServices/default/containers/in/blobs/%C3%9Cbersicht.pdf"
    assert (event.data, event.tenant, event.agent) == ({"contentLength": 524288}, "acme", None)
    assert event.time == pytest.approx(1795200060.958, abs=1e-2)


def test_a_cloud_event_may_name_its_agent_and_nothing_of_the_system_s_own() -> None:
    document = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "aosagent": "desk/7", "aoshops": 9}
    event = event_of(json.dumps(document | {"data": [1]}), "acme")
    assert (event.agent, event.data, event.hops) == (AgentId("desk", "7", "acme"), [1], 0)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("nonsense", "Event Grid: JSON is malformed"),
        ([BLOB], "Event Grid: Expected `object`, got `array`"),
        ({}, "Event Grid: Object missing required field `id`"),
        ({**BLOB, "eventTime": "yesterday"}, "Event Grid: Invalid RFC3339 encoded datetime - at `$.eventTime`"),
        ({**BLOB, "id": 7}, "Event Grid: Expected `str`, got `int` - at `$.id`"),
        ({**BLOB, "id": ""}, "event id '': needs 1 to 1024 characters"),
        ({"specversion": "1.0", "id": "1", "source": "/s"}, "type"),
    ],
)
def test_what_is_no_event_is_said_to_be_none(given: Any, complaint: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        event_of(given if isinstance(given, str) else json.dumps(given), "acme")
    assert complaint in str(caught.value)


def test_what_can_never_be_accepted_goes_aside_with_the_reason() -> None:
    message = aside("{}", "acme", "hash", "no id")
    assert message.aside == "an event of Event Grid was not accepted: no id"
    assert message.event is not None
    assert (message.agent, message.event.data) == (AgentId("aos.unrouted", "", "acme"), {"body": "{}"})
