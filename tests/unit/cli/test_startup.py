"""A command loads what it needs, and no more: the modules that it loads decide how long it takes to begin."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"fastapi", "mcp", "msgspec", "pydantic", "rich", "sse_starlette", "starlette", "uvicorn", "asyncio"}
CODE = """
import sys
from AgentOperatingSystem.cli.app import run
code = run(sys.argv[1:])
sys.stderr.write(" ".join(sys.modules))
"""


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The top-level modules that a command line loads."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return {module.partition(".")[0] for module in ran.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("arguments", [("--help",), ("send", "--help"), ("version",)])
def test_help_loads_no_library_but_typer(bare: Path, arguments: tuple[str, ...]) -> None:
    assert loaded(bare, *arguments) & HEAVY <= {"msgspec"}


def test_sending_loads_the_http_client_and_no_more(bare: Path) -> None:
    """`AgentId`, which msgspec makes, checks the address."""
    found = loaded(bare, "send", "desk", "1")
    assert "httpx2" in found
    assert found & HEAVY <= {"msgspec", "asyncio"}
