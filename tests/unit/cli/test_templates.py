"""Templates of agents: each makes a project, and a further agent in one, whose own tests pass."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.cli.project import AGENTS, add_agent, make_project
from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.errors import ConfigurationError, Conflict, InvalidInput
from AgentOperatingSystem.orchestration.applications import agents_of
from tests.unit.cli.conftest import Aos

ROOT = Path(__file__).parents[3]
KINDS = {
    "assistant": "Assistant",
    "customer_support_agent": "CustomerSupport",
    "code_review_agent": "CodeReview",
    "personal_assistant": "PersonalAssistant",
}


def own_tests(project: Path) -> subprocess.CompletedProcess[str]:
    """The project's own tests, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "unittest", "discover", "-s", "tests"],
        cwd=project,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def loaded(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the agents that its settings lead to."""
    monkeypatch.chdir(project)
    app = json.loads((project / "config" / "settings.json").read_text())["app"]
    for name in [name for name in sys.modules if name.partition(".")[0] == app.partition(".")[0]]:
        del sys.modules[name]
    return [agent.__name__ for agent in agents_of(load_app(app)) if isinstance(agent, type)]


def test_these_templates_are_there() -> None:
    assert set(AGENTS) == set(KINDS)


@pytest.mark.parametrize("template", KINDS)
def test_a_project_from_a_template_passes_its_own_tests(
    bare: Path, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_project(f"from-{template.replace('_', '-')}", bare, template)
    project = Path(made.folder)
    assert sorted(made.files) == sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    ran = own_tests(project)
    assert ran.returncode == 0, ran.stderr
    assert loaded(project, monkeypatch) == [KINDS[template]]
    assert "agent-operating-system[autogen]" in (project / "pyproject.toml").read_text()
    assert f"aos send {made.agent} '{made.example}'" in (project / "README.md").read_text()
    json.loads(made.example)


def test_every_template_can_be_added_to_a_project_one_after_the_other(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(make_project("several", bare).folder)
    monkeypatch.chdir(project)
    for number, template in enumerate(KINDS):
        added = add_agent(f"Helper {number}", template)
        assert added == (
            f"helper_{number}",
            [f"several/helper_{number}.py", f"tests/test_helper_{number}.py", "several/agents.py"],
        )
    assert loaded(project, monkeypatch) == ["Greeter", "Helper0", "Helper1", "Helper2", "Helper3"]
    ran = own_tests(project)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 11 tests" in ran.stderr
    checked = [["ruff", "check", "--isolated"], ["ruff", "format", "--isolated", "--check", "--line-length", "120"]]
    for check in checked:
        looked = subprocess.run([sys.executable, "-m", *check, "."], cwd=project, capture_output=True, check=False)
        assert looked.returncode == 0, looked.stdout.decode()


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        ("agents = []\n", "agents = [Helper]\n"),
        ('agents = [\n    "ü", Greeter,\n]\n', 'agents = [\n    "ü", Greeter, Helper,\n]\n'),
        ("agents: list[type] = [Greeter]  # all\n", "agents: list[type] = [Greeter, Helper]  # all\n"),
    ],
)
def test_a_list_that_is_there_is_extended(bare: Path, agents: str, expected: str) -> None:
    from AgentOperatingSystem.cli.project.roster import with_agent

    path = bare / "agents.py"
    path.write_text(f'"""Mine."""\nimport json\n\n# ü\n{agents}')
    extended = with_agent(path, sys.modules[__name__], "p.helper", "Helper")
    assert extended == f'"""Mine."""\nimport json\n\nfrom p.helper import Helper\n\n# ü\n{expected}'


def test_a_list_that_is_not_written_out_is_left_alone(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Path(make_project("computed", bare).folder)
    roster = project / "computed" / "agents.py"
    roster.write_text(roster.read_text() + "\nagents = list({Greeter})\n")
    monkeypatch.chdir(project)
    with pytest.raises(ConfigurationError, match=r"agents.py:\d+: `agents` is not a list that is written out"):
        add_agent("Helper", "assistant")
    assert not (project / "computed" / "helper.py").exists()


def test_what_cannot_be_is_refused(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="there is no project in"):
        add_agent("Helper", "assistant")
    with pytest.raises(InvalidInput, match="there is no template 'robot'; there are greeter, assistant"):
        make_project("demo", bare, "robot")
    assert list(bare.iterdir()) == []
    monkeypatch.chdir(make_project("refusing", bare).folder)
    for wrong in ("", "1x", "a.b", "../x", "agents", "class", "x" * 65):
        with pytest.raises(InvalidInput, match="agent name"):
            add_agent(wrong, "assistant")
    add_agent("Helper", "assistant")
    with pytest.raises(Conflict, match=r"refusing/helper.py' is there already"):
        add_agent("helper", "assistant")


def test_the_commands(bare: Path, aos: Aos, monkeypatch: pytest.MonkeyPatch) -> None:
    assert aos("init", "command-line", "--template", "assistant").code == 0
    monkeypatch.chdir(bare / "command-line")
    ran = aos("create", "agent", "--name", "Customer Support", "--template", "customer-support-agent")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "command_line/customer_support.py")
    assert "aos send customer_support '\"Hello\"' --wait 60" in ran.out
    assert json.loads(aos("create", "agent", "Bea", "--json").out)["agent"] == "bea"
    assert loaded(bare / "command-line", monkeypatch) == ["Assistant", "CustomerSupport", "Bea"]
    assert aos("create", "agent", "Cid", "--template", "robot").code == 2
    assert aos("init", "other", "--template", "robot").code == 2
