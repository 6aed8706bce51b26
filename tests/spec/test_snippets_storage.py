"""The specification's rows 102 to 106: Azure's storage services, with the code that the specification prints."""

import ast
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from AgentOperatingSystem.errors import BlobNotFound
from AgentOperatingSystem.storage import AzureBlobStorage, AzureQueueStorage, AzureTableStorage, CosmosDBStorage
from tests.cosmos_server import KEY, cosmos_endpoint
from tests.emulator import emulator, fresh_prefix

SNIPPETS = Path(__file__).parent / "snippets"


async def run(code: str, names: dict[str, Any]) -> dict[str, Any]:
    """What the names are after the code ran."""
    running = eval(compile(code, "snippet", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if isawaitable(running):
        await running
    return names


async def test_row_102_blobs() -> None:
    code = (SNIPPETS / "storage_service.py.txt").read_text()
    names = await run(code, {"connection_string": emulator().connection_string, "data": b"\x00 as it is"})
    assert names["data"] == b"\x00 as it is"
    with pytest.raises(BlobNotFound, match="no blob 'missing' in container 'container'"):
        await names["storage"].download("container", "missing")
    await names["storage"].close()


async def test_rows_103_105_and_106_the_same_call_on_each_backend() -> None:
    code = (SNIPPETS / "repository.py.txt").read_text()
    lines = [line.partition("#")[0] for line in code.splitlines() if line.startswith("storage = ")]
    (call,) = (line for line in code.splitlines() if line.startswith("await storage.save"))
    text = emulator().connection_string

    def cosmos(*given: Any) -> CosmosDBStorage:
        return CosmosDBStorage(
            endpoint=cosmos_endpoint(), credential=KEY, database=fresh_prefix(), enable_endpoint_discovery=False
        )

    kinds = {"AzureBlobStorage": AzureBlobStorage, "AzureTableStorage": AzureTableStorage, "CosmosDBStorage": cosmos}
    assert len(lines) == 3
    for line in lines:
        names = await run(line.replace("...", "text"), {**kinds, "text": text})
        await run(call, names | {"key": "key", "value": {"a": 1}})
        assert await names["storage"].load("key") == {"a": 1}
        await names["storage"].close()


async def test_row_104_queues() -> None:
    async with AzureQueueStorage(emulator().connection_string) as storage:
        await storage.send("aos-row-104", {"task": 1})
        (message,) = await storage.receive("aos-row-104")
        assert message.data == {"task": 1}
        await storage.complete("aos-row-104", message)
        assert await storage.receive("aos-row-104") == []
