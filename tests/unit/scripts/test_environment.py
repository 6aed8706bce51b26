"""scripts/environment says in one sentence what is in its way, and touches nothing that is not its own."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "environment"


def run(level: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | variables
    return subprocess.run([SCRIPT, level], env=environment, capture_output=True, text=True, timeout=60)


def refusal(level: str, **variables: str) -> str:
    refused = run(level, **variables)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1, refused.stderr
    return refused.stderr


def test_unknown_level_is_named() -> None:
    assert "not 'everything'" in refusal("everything")


def test_unsuitable_python_is_named(tmp_path: Path) -> None:
    said = refusal("core", VENV=str(tmp_path / "venv"), PYTHON="/bin/false")
    assert "needs Python 3.11, 3.12 or 3.13 and found none as /bin/false" in said
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize("level", ["core", "team", "dev", "peers"])
def test_folder_that_is_no_environment_is_left_alone(tmp_path: Path, level: str) -> None:
    (tmp_path / "letters").write_text("mine")
    assert "is no virtual environment" in refusal(level, VENV=str(tmp_path))
    assert (tmp_path / "letters").read_text() == "mine"
