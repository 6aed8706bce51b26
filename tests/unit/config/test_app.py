import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.errors import ConfigurationError


@pytest.fixture(autouse=True)
def own_modules() -> Iterator[None]:
    """What a test imports, and where it imports from, ends with the test."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def complaint(spec: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load_app(spec)
    message = str(raised.value)
    assert message.startswith(f"app {spec!r}: ")
    assert "\n" not in message
    return message


def test_a_dotted_module_of_the_current_directory(bare: Path) -> None:
    write(bare / "bureau" / "agents.py", "NAME = 'dotted'")
    module = load_app("bureau.agents")
    assert (module.__name__, module.NAME) == ("bureau.agents", "dotted")


def test_a_file_with_its_neighbours(bare: Path) -> None:
    write(bare / "far" / "away" / "neighbour.py", "NAME = 'next door'")
    write(bare / "far" / "away" / "triage.py", "from neighbour import NAME")
    module = load_app("far/away/triage.py")
    assert (module.__name__, module.NAME) == ("triage", "next door")


def test_a_file_of_a_package_is_loaded_as_its_member(bare: Path) -> None:
    write(bare / "src" / "deskpackage" / "__init__.py")
    write(bare / "src" / "deskpackage" / "inner" / "__init__.py")
    write(bare / "src" / "deskpackage" / "names.py", "NAME = 'relative'")
    write(bare / "src" / "deskpackage" / "inner" / "app.py", "from ..names import NAME")
    module = load_app("src/deskpackage/inner/app.py")
    assert (module.__name__, module.NAME) == ("deskpackage.inner.app", "relative")


def test_a_package_directory(bare: Path) -> None:
    write(bare / "somewhere" / "wholedesk" / "__init__.py", "NAME = 'package'")
    assert load_app("somewhere/wholedesk").__name__ == "wholedesk"


def test_a_numbered_example(bare: Path) -> None:
    write(bare / "examples" / "01_minimal.py", "NAME = 1")
    assert load_app("examples/01_minimal.py").__name__ == "01_minimal"


def test_the_same_text_gives_the_same_module(bare: Path) -> None:
    write(bare / "agents_once.py", "THINGS = []")
    assert load_app("agents_once.py") is load_app("agents_once.py") is load_app("agents_once")


def test_another_app_of_the_same_name_takes_its_place(bare: Path) -> None:
    write(bare / "one" / "app.py", "NAME = 'one'")
    write(bare / "two" / "app.py", "NAME = 'two'")
    assert [load_app(f"{name}/app.py").NAME for name in ("one", "two", "one")] == ["one", "two", "one"]


@pytest.mark.parametrize("spec", ["nowhere.py", "no/where.py", "nowhere", "desk.nowhere", ""])
def test_what_is_not_there_is_said(bare: Path, spec: str) -> None:
    write(bare / "desk" / "__init__.py")
    expected = {"": "name a module", "desk.nowhere": "there is no module 'desk.nowhere'"}
    assert expected.get(spec, "there is no") in complaint(spec)


@pytest.mark.parametrize("spec", ["desk:agent", "desk agents", "desk..agents", ".desk", "-x|y"])
def test_what_is_neither_module_nor_file_is_refused(spec: str) -> None:
    assert "name a module (package.module) or a file (path/app.py)" in complaint(spec)


def test_a_syntax_error_has_file_and_line(bare: Path) -> None:
    path = write(bare / "broken.py", "a = 1\nb = = 2\n")
    assert f"{path}:2: invalid syntax" in complaint("broken.py")


def test_a_missing_module_is_named_with_the_line_that_wants_it(bare: Path) -> None:
    path = write(bare / "wants.py", "\nimport not_there_at_all\n")
    assert f"{path}:2: the module 'not_there_at_all' is missing" in complaint("wants.py")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("from json import nothing", "ImportError: cannot import name 'nothing' from 'json'"),
        ("import json; json.loads('{')", "JSONDecodeError: Expecting property name"),
        ("from AgentOperatingSystem.ids import AgentId; AgentId('a b')", "InvalidAgentId: agent name 'a b'"),
    ],
)
def test_what_the_module_raises_is_placed_in_its_own_code(bare: Path, code: str, expected: str) -> None:
    path = write(bare / "raises.py", f"\n\n{code}\n")
    assert f"{path}:3: {expected}" in complaint("raises.py")


def test_a_failed_load_can_be_tried_again(bare: Path) -> None:
    write(bare / "later.py", "import not_there_at_all")
    complaint("later.py")
    write(bare / "later.py", "NAME = 'mended'")
    assert load_app("later.py").NAME == "mended"


@pytest.mark.parametrize("name", ["json.py", "pytest.py", "my.app.py"])
def test_a_file_may_not_pass_for_another_module(bare: Path, name: str) -> None:
    write(bare / name)
    assert "rename the file" in complaint(name)
