"""What an import loads: the budget of a cold start, counted in modules, because a time would depend on the machine.

`aos bench --only import` tells the times.
"""

import subprocess
import sys

import pytest

SHOW = "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)))"
OWN = {"AgentOperatingSystem"}
SYSTEM = {
    "annotated_types",
    "dotenv",
    "msgspec",
    "pydantic",
    "pydantic_core",
    "pydantic_settings",
    "typing_extensions",
    "typing_inspection",
}
"""What the whole system on the embedded default is made of, before its first event."""


def loaded(code: str) -> set[str]:
    """The top-level modules, the standard library's left out, that an interpreter has after `code` and not at its
    start, when packages that are installed by a path file may have loaded some.
    """
    after, before = (
        subprocess.run([sys.executable, "-c", text + SHOW], capture_output=True, text=True, timeout=60, check=True)
        for text in (code, "")
    )
    new = set(after.stdout.split()) - set(before.stdout.split())
    return {name for name in new if not name.startswith("_")}  # such as the interpreter's own build settings


def test_the_package_loads_nothing_but_itself() -> None:
    assert loaded("import AgentOperatingSystem") == OWN


def test_the_package_loads_one_module_of_its_own() -> None:
    show = "import AgentOperatingSystem, sys; print(*[name for name in sys.modules if name.startswith('AgentOp')])"
    ran = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["AgentOperatingSystem"]


@pytest.mark.parametrize("name", ["AgentOperatingSystem", "AOSConfig", "BaseAgent", "Context", "ContextMCPServer"])
def test_a_public_name_loads_no_vendor(name: str) -> None:
    assert loaded(f"from AgentOperatingSystem import {name}") <= OWN | SYSTEM


def test_the_system_loads_exactly_what_it_is_made_of() -> None:
    assert loaded("from AgentOperatingSystem import AgentOperatingSystem") == OWN | SYSTEM


@pytest.mark.parametrize("name", ["AgentTeam", "PerpetualAgent", "PurposeDrivenAgent"])
def test_agents_that_think_load_autogen_only_when_they_think(name: str) -> None:
    assert loaded(f"from AgentOperatingSystem.agents import {name}") <= OWN | SYSTEM
