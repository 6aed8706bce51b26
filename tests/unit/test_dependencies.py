"""The dependency page, pyproject.toml and the locks say the same, and the core stays small."""

import re
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGE = (ROOT / "docs" / "dependencies.md").read_text()
PACKAGES_MAX = 60

Named = set[tuple[str, str]]  # (heading on the page, package)


def names(requirements: list[str]) -> list[str]:
    return [canonicalize_name(Requirement(line).name) for line in requirements]


def declared() -> Named:
    groups = {"Core": PROJECT["project"]["dependencies"], "Build": PROJECT["build-system"]["requires"]}
    groups |= {f"Extra: {extra}": lines for extra, lines in PROJECT["project"]["optional-dependencies"].items()}
    groups |= {f"Group: {group}": lines for group, lines in PROJECT["dependency-groups"].items()}
    return {(heading, name) for heading, lines in groups.items() for name in names(lines)}


def documented() -> Named:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    rows = (
        (section.splitlines()[0], re.findall(r"^\| ([a-z0-9-]+) \| \S", section, re.MULTILINE)) for section in sections
    )
    return {(heading, name) for heading, found in rows for name in found if name != "package"}


def direct(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def closure(requirements: list[str]) -> set[str]:
    """Every package that these bring on this machine, as installed, theirs and their extras' requirements included."""
    found: set[str] = set()
    seen: set[str] = set()
    queue = [Requirement(line) for line in requirements]
    while queue:
        requirement = queue.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found.add(canonicalize_name(requirement.name))
        needed = [Requirement(line) for line in requires(requirement.name) or []]
        queue += [each for each in needed if any(direct(each, extra) for extra in ("", *requirement.extras))]
    return found


def pins(lock: str) -> dict[str, str]:
    """Package to pinned line. The lines that continue a comment are indented."""
    lines = [line for line in (ROOT / lock).read_text().splitlines() if line and line[0] not in " #"]
    return {canonicalize_name(Requirement(line).name): line for line in lines}


def test_every_dependency_is_explained_and_nothing_else_is() -> None:
    assert documented() == declared()


def test_core_install_is_as_small_as_the_page_says() -> None:
    brought = closure(PROJECT["project"]["dependencies"])
    assert len(brought) <= PACKAGES_MAX, sorted(brought)
    stated = re.search(r"\*\*(\d+) packages\*\* on Linux", PAGE)
    assert stated is not None
    if sys.platform == "linux":
        assert int(stated[1]) == len(brought), sorted(brought)


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements.txt", ["azure", "autogen", "telemetry"]), ("locks/dev.txt", ["azure", "autogen", "dev"])],
)
def test_lock_pins_what_the_project_asks_for(lock: str, extras: list[str]) -> None:
    asked = PROJECT["project"]["dependencies"] + [
        line for extra in extras for line in PROJECT["project"]["optional-dependencies"][extra]
    ]
    assert set(names(asked)) <= set(pins(lock)), "run `make lock`"


@pytest.mark.parametrize("lock", ["requirements.txt", "locks/dev.txt", "locks/peers.txt"])
def test_lock_is_exact_and_names_no_host(lock: str) -> None:
    assert all("==" in line for line in pins(lock).values())
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "--" not in text


def test_what_is_tested_is_what_is_deployed() -> None:
    tested, deployed = pins("locks/dev.txt"), pins("requirements.txt")
    shared = tested.keys() & deployed.keys()
    version = re.compile(r"==([^ ;]+)")
    assert {name: version.findall(tested[name]) for name in shared} == {
        name: version.findall(deployed[name]) for name in shared
    }
