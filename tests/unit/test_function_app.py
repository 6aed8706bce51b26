"""`function_app.py`: what its import loads, how many lines it takes, and what the platform's worker would refuse."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "function_app.py"
STORAGE = "UseDevelopmentStorage=true"
BUS = "Endpoint=sb://name.servicebus.windows.net/;SharedAccessKeyName=all;SharedAccessKey=c2VjcmV0a2V5"
LIST_MODULES = "import sys, function_app; print(*sys.modules)"
HEAVY = ("aiohttp", "autogen", "fastapi", "google", "grpc", "httpx", "mcp", "numpy", "openai", "opentelemetry.sdk")
SERVER = ("starlette", "uvicorn", "sqlite3", "AgentOperatingSystem.agent_operating_system", "AgentOperatingSystem.api")
AZURE = {"azure", "azure.functions"}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a process that has imported it, with every trigger there is but the storage queue's."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"AOS_STORAGE_CONNECTION_STRING": STORAGE, "AOS_SERVICEBUS_CONNECTION_STRING": BUS}
    environment |= {"AOS_FUNCTIONS_EVENT_GRID": "true", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", LIST_MODULES]
    listed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert listed.returncode == 0, listed.stderr
    return set(listed.stdout.split())


def test_its_import_loads_nothing_that_an_invocation_is_the_first_to_need(loaded: set[str]) -> None:
    assert sorted(each for each in loaded if each.startswith((*HEAVY, *SERVER))) == []


def test_of_azure_it_loads_the_functions_sdk_alone(loaded: set[str]) -> None:
    of_azure = {".".join(each.split(".")[:2]) for each in loaded if each == "azure" or each.startswith("azure.")}
    assert of_azure == AZURE


def test_it_is_one_screen() -> None:
    assert len(APP.read_text().splitlines()) <= 75


def test_no_binding_is_annotated_in_a_way_that_the_worker_refuses() -> None:
    """`list[…]` and `X | None` make the worker refuse the whole app: "invalid non-type annotation"."""
    functions = [node for node in ast.walk(ast.parse(APP.read_text())) if isinstance(node, ast.AsyncFunctionDef)]
    annotations = [ast.unparse(each.annotation) for node in functions for each in node.args.args if each.annotation]
    assert "List[func.ServiceBusMessage]" in annotations
    assert [each for each in annotations if each.startswith("list[") or "|" in each] == []
