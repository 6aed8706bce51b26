"""What thinking costs a system that does not think: nothing is loaded before it is needed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HEAVY = {"anthropic", "azure", "google", "httpx", "httpx2", "jsonschema", "ollama", "openai"}


def loaded(program: str) -> set[str]:
    listed = subprocess.run(
        [sys.executable, "-c", f"{program}; import sys; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return {module.partition(".")[0] for module in listed.stdout.split()}


def test_importing_ml_loads_no_client() -> None:
    assert loaded("import AgentOperatingSystem.ml") & (HEAVY | {"pydantic", "msgspec"}) == set()


def test_an_offline_model_loads_no_client() -> None:
    program = (
        "import asyncio; from AgentOperatingSystem.config import AOSConfig;"
        "from AgentOperatingSystem.ml import ModelRequest, model;"
        "asyncio.run(model('', AOSConfig()).complete(ModelRequest.ask('Hello!')))"
    )
    assert loaded(program) & HEAVY == set()


def test_a_remote_model_loads_one_http_client_and_no_vendors_sdk() -> None:
    program = (
        "from AgentOperatingSystem.config import AOSConfig; from AgentOperatingSystem.ml import model;"
        "[model(f'{name}/x', AOSConfig(anthropic_base_url='http://127.0.0.1:1', gemini_base_url='http://127.0.0.1:1'))"
        " for name in ('ollama', 'vllm', 'anthropic', 'gemini')]"
    )
    assert loaded(program) & HEAVY == {"httpx2"}
