"""scripts/functions ends with a status of its own where the machine has no Python 3.13, and leaves nothing behind."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.functions import MISSING

ROOT = Path(__file__).parents[3]


def test_a_machine_without_python_3_13_is_told_so(tmp_path: Path) -> None:
    for name in ("scripts", "locks"):
        (tmp_path / name).mkdir()
    script = shutil.copy(ROOT / "scripts" / "functions", tmp_path / "scripts")
    shutil.copy(ROOT / "locks" / "dev.txt", tmp_path / "locks")
    nowhere = {"PYTHON_FUNCTIONS": "/bin/false", "PYENV_ROOT": "/nowhere", "VENV": "/nowhere"}
    made = subprocess.run([script], env=os.environ | nowhere, capture_output=True, text=True, timeout=60)
    assert (made.returncode, made.stdout) == (MISSING, "")
    assert made.stderr == (
        "scripts/functions: this machine has no Python 3.13; name one: PYTHON_FUNCTIONS=/path/to/python3.13\n"
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["locks", "scripts"]
