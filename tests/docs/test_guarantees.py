"""docs/guarantees.md names tests that exist, and speaks of each promise that README makes, and of no other."""

import re

import pytest

from tests.docs.markdown import ROOT, code_spans_of

PAGE = ROOT / "docs" / "guarantees.md"
README = ROOT / "README.md"
PROOFS = sorted({span for span in code_spans_of(PAGE) if span.startswith("tests/")})


@pytest.mark.parametrize("proof", PROOFS)
def test_the_proof_is_there(proof: str) -> None:
    path, _, name = proof.partition("::")
    found = ROOT / path
    files = sorted(found.rglob("test_*.py")) if found.is_dir() else [found]
    assert files
    assert all(file.is_file() for file in files)
    assert re.search(rf"^(async )?def {name}\(", found.read_text(), re.MULTILINE) if name else True


def test_the_promises_are_those_of_the_readme() -> None:
    promised = re.findall(r"^\| (G\d+) \|", README.read_text(), re.MULTILINE)
    explained = re.findall(r"^## (G\d+): ", PAGE.read_text(), re.MULTILINE)
    assert explained == promised
    later = set(re.findall(r"\((?:the rest of )?(G\d+)\)", README.read_text()))
    assert later == set(re.findall(r"^\| (G\d+)(?:, rest)? \|", PAGE.read_text(), re.MULTILINE))


@pytest.mark.parametrize("part", ["**Exactly.**", "**Proof.**"])
def test_every_promise_has_its_parts(part: str) -> None:
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    assert [section.split("\n")[0] for section in sections if section.startswith("G") and part not in section] == []
