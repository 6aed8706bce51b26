"""The rings are what ARCHITECTURE.md draws, and importing the package loads no heavy library."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"azure", "fastapi", "mcp", "openai", "rich", "starlette", "typer", "uvicorn"}
LIST_MODULES = "import sys, AgentOperatingSystem; print(*sys.modules)"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    # Without compiled files on disk every import would be timed and tested as a first one.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


def test_imports_go_only_downward() -> None:
    linter = Path(sysconfig.get_path("scripts")) / "lint-imports"
    checked = run(str(linter), "--no-logo", "--no-cache")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    listed = run(sys.executable, "-c", LIST_MODULES)
    assert listed.returncode == 0, listed.stderr
    return set(listed.stdout.split())


def test_importing_the_package_loads_no_heavy_library(loaded: set[str]) -> None:
    roots = {module.partition(".")[0] for module in loaded}
    assert roots & HEAVY == set()
    assert [root for root in roots if root.startswith(("autogen", "opencensus"))] == []


def test_importing_the_package_loads_no_telemetry_sdk(loaded: set[str]) -> None:
    assert [module for module in loaded if module.startswith("opentelemetry.sdk")] == []
