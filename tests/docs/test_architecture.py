"""ARCHITECTURE.md names what is there: paths, classes, methods, settings; its rings are those of the linter."""

import ast
import re
from configparser import ConfigParser
from functools import cache
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, code_spans_of, prose_of

PAGE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "AgentOperatingSystem"
HELD = [PAGE, *(ROOT / "docs" / f"{name}.md" for name in ("agents", "critiques", "events", "guarantees", "operations"))]
"""Pages that tell how things are now. Decisions are frozen: they may name what is no more."""


def paths_in(page: Path) -> set[str]:
    """Python files and folders of the repository; in ARCHITECTURE.md those of its picture too."""
    text = page.read_text() if page == PAGE else prose_of(page)
    return set(
        re.findall(r"(?<![\w./:-])(?:[a-z_]+/)*[a-z_]+\.py\b|(?<=`)(?:tests|docs|examples|scripts)/[\w./]*(?=`)", text)
    )


@pytest.mark.parametrize("page", HELD, ids=lambda page: page.name)
def test_every_path_is_there(page: Path) -> None:
    assert {path for path in paths_in(page) if not (ROOT / path).exists() and not (PACKAGE / path).exists()} == set()


@pytest.mark.parametrize("page", HELD, ids=lambda page: page.name)
def test_every_name_is_there(page: Path) -> None:
    """`Kernel.deliver` is a method of a class; a capitalised or underscored word is a name that the code has."""
    spans = {re.sub(r"\(.*\)$", "", span) for span in code_spans_of(page)}
    dotted = {span for span in spans if re.fullmatch(r"[A-Z]\w+\.\w+", span)}
    plain = {span for span in spans if re.fullmatch(r"[A-Z][a-z]\w+|[A-Z]+_[A-Z_]+|_?[a-z]+(_[a-z]+)+", span)}
    assert dotted - members() == set()
    assert plain - words() == set()


def test_the_diagram_names_methods_that_are_there() -> None:
    diagram = PAGE.read_text().partition("```text")[2].partition("```")[0]
    assert set(re.findall(r"\b(?:Kernel|Mailroom|EmbeddedBus|Outcomes)\.\w+", diagram)) - members() == set()
    steps = set(re.findall(r"^ +\d  (_\w+)", diagram, re.MULTILINE))
    assert len(steps) == 4
    assert {f"Kernel.{step}" for step in steps} - members() == set()


def test_the_rings_are_those_that_the_linter_holds() -> None:
    contract = ConfigParser()
    contract.read(ROOT / ".importlinter")
    rings = contract["importlinter:contract:rings"]["layers"].strip()
    drawn = PAGE.read_text().partition("<!-- rings -->\n```text\n")[2].partition("\n```")[0]
    assert [without_brackets(ring) for ring in drawn.splitlines()] == [
        without_brackets(ring) for ring in rings.splitlines()
    ]
    bracketed = set(re.findall(r"\((\w+)\)", drawn))
    assert {name for name in bracketed if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").exists()} == set()
    named = set(re.findall(r"\w+", drawn))
    assert {
        name for name in named - bracketed if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").exists()
    } == set()


def test_it_begins_with_the_problem() -> None:
    headings = re.findall(r"^## (.+)$", prose_of(PAGE), re.MULTILINE)
    assert headings[0] == "The problem"


def without_brackets(ring: str) -> str:
    return re.sub(r"[()\s]", "", ring)


@cache
def words() -> set[str]:
    return {word for path in PACKAGE.rglob("*.py") for word in re.findall(r"\w+", path.read_text())}


@cache
def members() -> set[str]:
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found |= {f"{node.name}.{name}" for name in names_in(node)}
    return found


def names_in(node: ast.ClassDef) -> set[str]:
    functions = {each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    fields = {
        each.target.id for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    constants = {
        target.id
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    return functions | fields | constants
