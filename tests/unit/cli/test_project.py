import json
import subprocess
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.cli.project import TEMPLATES, make_project
from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.errors import Conflict, InvalidInput
from AgentOperatingSystem.orchestration.applications import agents_of
from tests.unit.cli.conftest import Aos

ROOT = Path(__file__).parents[3]


def test_a_project_is_whole(bare: Path) -> None:
    made = make_project("My-Desk", bare)
    assert made.folder == str(bare / "My-Desk")
    assert sorted(made.files) == sorted(
        str(path.relative_to(made.folder)) for path in Path(made.folder).rglob("*") if path.is_file()
    )
    assert len(made.files) == len(TEMPLATES)
    assert json.loads((bare / "My-Desk" / "config" / "settings.json").read_text()) == {"app": "my_desk.agents"}
    assert "$" not in "".join((bare / "My-Desk" / file).read_text() for file in made.files)


def test_its_own_test_passes(bare: Path) -> None:
    make_project("demo", bare)
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "discover", "-s", "tests"],
        cwd=bare / "demo",
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Ran 2 tests" in ran.stderr


def test_its_code_is_in_good_order(bare: Path) -> None:
    make_project("demo", bare)
    for check in (["ruff", "check", "--isolated"], ["ruff", "format", "--isolated", "--check", "--line-length", "120"]):
        ran = subprocess.run([sys.executable, "-m", *check, "."], cwd=bare / "demo", capture_output=True, check=False)
        assert ran.returncode == 0, ran.stdout.decode()


def test_its_settings_name_agents_that_load(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_project("shop_floor", bare).folder)
    assert [agent.__name__ for agent in agents_of(load_app("shop_floor.agents")) if isinstance(agent, type)] == [
        "Greeter"
    ]


@pytest.mark.parametrize(
    "name", ["", "1x", "a b", "a.b", "../x", "a/b", "ü", "class", "json", "AgentOperatingSystem", "x" * 65]
)
def test_a_name_that_cannot_be_one_is_refused(bare: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="project name"):
        make_project(name, bare)
    assert list(bare.iterdir()) == []


def test_what_is_there_is_left_alone(bare: Path) -> None:
    (bare / "demo").mkdir()
    with pytest.raises(Conflict, match="is there already"):
        make_project("demo", bare)
    assert list((bare / "demo").iterdir()) == []


def test_init(bare: Path, aos: Aos) -> None:
    ran = aos("init", "demo")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == "demo/README.md"
    assert "  cd demo\n  aos up\n" in ran.out
    document = json.loads(aos("init", "other", "--json").out)
    assert (document["project"], document["folder"], document["files"][0]) == ("other", "other", "README.md")
    assert aos("init", "demo").code == 5
    assert aos("init", "json").code == 2
