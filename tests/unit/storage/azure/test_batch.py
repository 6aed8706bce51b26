"""Transactions as bytes: those that the SDK would send, and answers as the service and the emulator give them."""

import asyncio
import math
import re
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ServiceRequestError
from azure.data.tables import TransactionOperation, UpdateMode
from azure.data.tables.aio import TableClient
from hypothesis import given, settings
from hypothesis import strategies as st

from AgentOperatingSystem.errors import InvalidInput
from AgentOperatingSystem.storage.azure.batch import Boundaries, Operation, Part, answered, complaint, encoded
from AgentOperatingSystem.storage.azure.calls import Busy, Calls, Rejected
from AgentOperatingSystem.storage.azure.table import Table
from AgentOperatingSystem.storage.azure.transport import Transport
from tests.clocks import ManualClock
from tests.contract.samples import ODD_TEXTS
from tests.emulator import ACCOUNT, KEY

URL = f"http://127.0.0.1:9/{ACCOUNT}"
CONNECTION = f"AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={URL};"
VERBS = {
    "create": TransactionOperation.CREATE,
    "replace": TransactionOperation.UPDATE,
    "upsert": TransactionOperation.UPSERT,
    "delete": TransactionOperation.DELETE,
}
keys = st.text(st.characters(codec="utf-8", exclude_characters="/\\#?\r\n"), min_size=1, max_size=20)
values = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=40),
    st.sampled_from(ODD_TEXTS),
    st.booleans(),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
properties = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), values, max_size=5)
etags = st.sampled_from(["", "W/\"datetime'2026-11-21T06%3A21%3A02.4948551Z'\""])


class Recorder(Transport):
    """Keeps what was to be sent; nothing leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []

    async def send(self, request: Any, **config: Any) -> Any:
        self.requests.append(request)
        raise ServiceRequestError("nothing leaves")


async def recorded(operations: list[Operation]) -> tuple[Any, Any]:
    """The request of the SDK and ours."""
    recorder = Recorder()
    async with TableClient.from_connection_string(CONNECTION, "aos", transport=recorder, retry_total=0) as client:
        with pytest.raises(ServiceRequestError):
            await client.submit_transaction([for_sdk(operation) for operation in operations])
        with pytest.raises(Busy):
            await Table(client, Calls(ManualClock())).transact(operations)
    theirs, ours = recorder.requests
    return theirs, ours


def for_sdk(operation: Operation) -> tuple[TransactionOperation, dict[str, Any], dict[str, Any]]:
    options: dict[str, Any] = {}
    if operation.verb == "create":
        options["response_preference"] = "return-no-content"
    if operation.verb in ("replace", "upsert"):
        options["mode"] = UpdateMode.REPLACE
    if operation.verb in ("replace", "delete"):
        options |= {"match_condition": MatchConditions.Unconditionally}
        if operation.etag:
            options |= {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified}
    return VERBS[operation.verb], operation.entity, options


def boundaries(request: Any) -> Boundaries:
    batch, changes = re.findall(rb"boundary=(\S+)", request.headers["Content-Type"].encode() + b" " + request.content)
    return Boundaries(batch.decode(), changes.decode())


@settings(max_examples=60, deadline=None)
@given(
    keys,
    st.lists(st.tuples(st.sampled_from(tuple(VERBS)), keys, properties, etags), min_size=1, max_size=6),
)
def test_the_bytes_are_those_of_the_sdk(partition: str, drawn: list[tuple[Any, str, dict[str, Any], str]]) -> None:
    operations = [
        Operation(verb, {"PartitionKey": partition, "RowKey": row} | rest, etag) for verb, row, rest, etag in drawn
    ]
    theirs, _ = asyncio.run(recorded(operations))
    date = re.findall(rb"\r\nDate: ([^\r]+)\r\n", theirs.content)[-1].decode()
    mended = re.sub(rb"((?:x-ms-date|Date): )[^\r]+", rb"\g<1>" + date.encode(), theirs.content)  # a second may pass
    assert encoded(operations, f"{URL}/aos", date, boundaries(theirs)) == mended


async def test_the_request_around_it_is_the_sdks_too() -> None:
    theirs, ours = await recorded([Operation("create", {"PartitionKey": "p", "RowKey": "r", "a": b"1"})])
    assert (ours.method, ours.url) == (theirs.method, theirs.url)
    assert dict(ours.headers).keys() == dict(theirs.headers).keys()
    for name in ("x-ms-version", "DataServiceVersion", "MaxDataServiceVersion", "Accept", "User-Agent"):
        assert ours.headers[name] == theirs.headers[name]
    assert ours.headers["Content-Length"] == str(len(ours.content))
    assert ours.headers["Authorization"].startswith(f"SharedKey {ACCOUNT}:")
    assert ours.headers["Authorization"] != theirs.headers["Authorization"]  # the boundary is signed


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**31, None, [1], object()])
def test_a_value_that_no_table_takes_is_refused(value: Any) -> None:
    operation = Operation("create", {"PartitionKey": "p", "RowKey": "r", "odd": value})
    with pytest.raises(InvalidInput, match="odd"):
        encoded([operation], URL, "now", Boundaries("b", "c"))


SERVICE = (  # as Microsoft Learn shows it, in "Performing entity group transactions"
    b"--batchresponse_4c637ba4\r\nContent-Type: multipart/mixed; boundary=changesetresponse_03b8\r\n\r\n"
    b"--changesetresponse_03b8\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\nContent-ID: 0\r\nETag: W/\"datetime'2026-11-21T06%3A21%3A02.49Z'\"\r\n"
    b"DataServiceVersion: 3.0;\r\n\r\n\r\n"
    b"--changesetresponse_03b8\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b'HTTP/1.1 201 Created\r\nContent-ID: 1\r\nETag: W/"x"\r\n\r\n'
    b'{"text":"HTTP/1.1 500 is only a text"}\r\n'
    b"--changesetresponse_03b8--\r\n--batchresponse_4c637ba4--\r\n"
)
REFUSAL = (
    b"--batchresponse_4c63\r\nContent-Type: multipart/mixed; boundary=changesetresponse_03b8\r\n\r\n"
    b"--changesetresponse_03b8\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"HTTP/1.1 412 Precondition Failed\r\nContent-ID: 0\r\nContent-Type: application/json\r\n\r\n"
    b'{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"lang":"en-US","value":"0:The update condition'
    b' is not satisfied.\\nRequestId:1\\nTime:2"}}}\r\n--changesetresponse_03b8--\r\n--batchresponse_4c63--\r\n'
)


def test_answers_are_read() -> None:
    etag = "W/\"datetime'2026-11-21T06%3A21%3A02.49Z'\""
    assert answered(SERVICE) == [Part(204, etag, "", ""), Part(201, 'W/"x"', "", "")]
    message = "0:The update condition is not satisfied."
    assert answered(REFUSAL) == [Part(412, "", "UpdateConditionNotSatisfied", message)]


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"boundary=x", SERVICE[:160]])
def test_an_answer_that_is_none_has_no_parts(body: bytes) -> None:
    assert answered(body) == []


def test_complaints_that_are_no_json_are_told_as_they_are() -> None:
    assert complaint(b"<html>\nbusy") == ("", "<html>")
    assert complaint(b"") == ("", "no reason given")


async def test_a_refusal_is_told_in_the_services_words(azure: Any) -> None:
    entity = {"PartitionKey": "p", "RowKey": "r"}
    await azure.account.table.transact([Operation("create", entity)])
    with pytest.raises(Rejected, match="EntityAlreadyExists") as told:
        await azure.account.table.transact([Operation("create", entity)])
    assert told.value.http_status == 409
