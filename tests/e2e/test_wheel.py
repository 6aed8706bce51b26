"""The package as its users get it: a wheel, installed in a fresh environment outside the repository, and a project."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = ("AOS_", "PYTHON", "VIRTUAL_ENV")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


def run(command: Sequence[str | Path], folder: Path, seconds: float = 60) -> str:
    ran = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.name == "nt", reason="the paths below are those of POSIX")
def test_the_wheel_makes_a_project_that_runs(tmp_path: Path) -> None:
    bin_folder = install(tmp_path)
    assert str(tmp_path) in run(
        [bin_folder / "python", "-c", "import AgentOperatingSystem as a; print(a.__file__)"], tmp_path
    )
    run([bin_folder / "aos", "init", "demo"], tmp_path)
    demo = tmp_path / "demo"
    run([bin_folder / "python", "-W", "error", "-m", "unittest", "discover", "-s", "tests"], demo)
    server = subprocess.Popen(
        [bin_folder / "aos", "up", "--port", "0"], cwd=demo, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith("listening on http://127.0.0.1:")
        sent = run([bin_folder / "aos", "send", "greeter", '{"name": "Ada"}', "--wait", "20"], demo)
        assert sent == '{"greeting": "Hello, Ada!", "count": 1}\n'
        run([bin_folder / "aos", "doctor"], demo)
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert server.returncode == 0
    assert '"count": 1' in run([bin_folder / "aos", "state", "greeter"], demo)


def install(folder: Path) -> Path:
    """Builds the wheel and installs it in a new environment; answers where its commands are."""
    pip: list[str | Path] = [sys.executable, "-m", "pip"]
    run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT], folder, 300)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)  # where Debian leaves ensurepip out, the pip of the tests will do
    python = folder / "venv" / "bin" / "python"
    pip += ["--python", python, "install", "--quiet", "--no-compile"]
    run([*pip, "--constraint", ROOT / "locks" / "dev.txt", wheel], folder, 600)
    return python.parent
