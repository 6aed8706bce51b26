"""The hook that azd runs after a deployment, run against a host of this machine: the first event and its result."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.hosts import TOKEN, hosting
from tests.unit.infra.bicep import INFRA, ROOT, parsed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the POSIX hook")
HOOK = INFRA / "hooks" / "postdeploy.sh"


def run(path: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    for tool in ("sh", "curl"):
        assert shutil.which(tool), f"the hook needs {tool}: install it"
    own = {"PATH": f"{path}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
    return subprocess.run([HOOK], env=own | environment, capture_output=True, text=True, timeout=100)


@pytest.fixture
def az(tmp_path: Path) -> Path:
    """A folder with an `az` that knows one vault."""
    command = tmp_path / "az"
    command.write_text(
        f'#!/bin/sh\ncase "$*" in *"--vault-name kv-x --name aos-token"*) echo {TOKEN} ;; *) exit 1 ;; esac\n'
    )
    command.chmod(command.stat().st_mode | stat.S_IEXEC)
    return tmp_path


def test_the_first_event_is_done_once_however_often_it_is_sent(tmp_path: Path, az: Path) -> None:
    with hosting(tmp_path, app=ROOT / "examples" / "01_minimal.py") as host:
        url = host.hears(r"listening on (\S+)")[1]
        for _ in range(2):
            done = run(str(az), AOS_URL=url, AZURE_KEY_VAULT_NAME="kv-x")
            assert (done.returncode, done.stderr) == (0, "")
            assert '"result":1' in done.stdout.replace(" ", "")
            assert done.stdout.endswith("The first event is done.\n")
            assert TOKEN not in done.stdout
        wrong = run(AOS_URL=url, AOS_TOKEN="another-token")
        assert wrong.returncode == 1
        assert "HTTP 401" in wrong.stderr


def test_what_is_missing_is_said(az: Path) -> None:
    assert "AOS_URL is not set" in run().stderr
    assert "neither AOS_TOKEN nor AZURE_KEY_VAULT_NAME" in run(AOS_URL="http://127.0.0.1:9").stderr
    assert "'Key Vault Secrets User'" in run(str(az), AOS_URL="http://127.0.0.1:9", AZURE_KEY_VAULT_NAME="kv-y").stderr


def test_both_hooks_read_what_the_deployment_puts_out() -> None:
    outputs = parsed(INFRA / "main.bicep")["outputs"].keys()
    for path in (HOOK, HOOK.with_suffix(".ps1")):
        read = set(re.findall(r"\b((?:AOS|AZURE)_[A-Z_]+)", path.read_text())) - {"AOS_TOKEN", "AOS_FIRST_AGENT"}
        assert read <= outputs
        assert path.name in (ROOT / "azure.yaml").read_text()
