"""CloudEvents over HTTP: structured, binary and batch, on the route for events without a recipient."""

from typing import Any

import httpx2
import pytest

EVENTS = "/api/v1/events"
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def cloud(id: str, **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": id, "source": "/shop", "type": "order.created"} | more


async def test_structured(client: httpx2.AsyncClient) -> None:
    event = cloud("1", aosagent="picky/x/y", data={"a": 1}, colour="red")
    answer = await client.post(EVENTS, params={"wait": 10}, json=event, headers=STRUCTURED)
    assert answer.status_code == 200
    outcome = answer.json()
    assert (outcome["agent"], outcome["source"], outcome["result"]) == ("picky/x/y", "/shop", {"a": 1})
    assert outcome["event"]["extensions"] == {"colour": "red"}


async def test_binary(client: httpx2.AsyncClient) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "2", "ce-source": "/shop", "ce-type": "t", "ce-aosagent": "picky"}
    answer = await client.post(EVENTS, params={"wait": 10}, json=[1], headers=headers)
    assert answer.json()["result"] == [1]


async def test_without_recipient_the_routes_choose(client: httpx2.AsyncClient) -> None:
    event = cloud("3", type="github.push", subject="o/r")
    assert (await client.post(EVENTS, json=event, headers=STRUCTURED)).json()["agent"] == "counter/o/r"


async def test_a_batch_is_accepted_event_by_event(client: httpx2.AsyncClient) -> None:
    events = [cloud(str(number), aosagent="counter") for number in range(3)]
    answer = await client.post(EVENTS, json=events, headers=BATCH)
    assert answer.status_code == 202
    assert [item["id"] for item in answer.json()["items"]] == ["0", "1", "2"]


async def test_a_batch_with_one_that_is_refused_says_so(client: httpx2.AsyncClient) -> None:
    events = [cloud("1", aosagent="counter"), cloud("2", aosagent="nobody"), cloud("3", aosagent="counter")]
    answer = await client.post(EVENTS, json=events, headers=BATCH)
    assert answer.status_code == 404
    items = answer.json()["items"]
    assert [item.get("status") for item in items] == ["accepted", None, "accepted"]
    assert items[1]["problem"]["code"] == "unknown-agent"


async def test_the_same_id_twice_in_one_batch_with_two_bodies(client: httpx2.AsyncClient) -> None:
    events = [cloud("1", aosagent="counter", data=1), cloud("1", aosagent="counter", data=2)]
    items = (await client.post(EVENTS, json=events, headers=BATCH)).json()["items"]
    assert items[0]["status"] == "accepted"
    assert items[1]["problem"]["code"] in ("event-in-flight", "idempotency-key-reused")


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (cloud("1", specversion="0.3"), 422),
        (cloud(""), 422),
        (cloud("1", aosagent="counter", data=[[[[[[[[[1]]]]]]]]]), 422),
        (cloud("1", aosagent="aos.handler/os:getcwd"), 403),
        (cloud("1", aosagent="picky", aosreplyto="aos.handler/os:getcwd"), 403),
        (cloud("1", aosagent="picky", aostenant="other"), 422),
        (cloud("1", aosagent="picky", time="1999-01-01T00:00:00Z"), 422),
        (cloud("1", aosagent="picky", data="x" * 5000), 413),
    ],
)
async def test_what_cannot_be_taken(client: httpx2.AsyncClient, event: dict[str, Any], status: int) -> None:
    answer = await client.post(EVENTS, json=event, headers=STRUCTURED)
    assert answer.status_code == status, answer.text


async def test_a_format_that_is_not_read(client: httpx2.AsyncClient) -> None:
    answer = await client.post(EVENTS, content=b"x", headers={"Content-Type": "application/cloudevents+avro"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
