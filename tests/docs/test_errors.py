"""docs/errors.md and the package agree on every error, both ways: code, class, status."""

import importlib
import re
from collections.abc import Iterator

from AgentOperatingSystem.errors import AOSError
from tests.docs.markdown import ROOT, anchors_of

PAGE = ROOT / "docs" / "errors.md"
ENTRY = re.compile(r"^### (?P<code>[\w-]+)\n\n(?:`(?P<name>\w+)`|HTTP only) · (?P<status>\d{3}) · \S", re.MULTILINE)
HTTP_ONLY = {"internal", "method-not-allowed"}
DEFINES_A_CODE = re.compile(r'^    code(, status)? = "', re.MULTILINE)


def defined() -> dict[str, tuple[str, int]]:
    """The class and status of each code in the package; of several classes with one code, the one that gives it."""
    package = ROOT / "AgentOperatingSystem"
    for path in package.rglob("*.py"):
        if DEFINES_A_CODE.search(path.read_text()):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {kind.code: (kind.__name__, kind.status) for kind in classes(AOSError) if "code" in vars(kind)}


def classes(kind: type[AOSError]) -> Iterator[type[AOSError]]:
    if kind.__module__.startswith("AgentOperatingSystem."):
        yield kind
        for narrower in kind.__subclasses__():
            yield from classes(narrower)


def entries() -> dict[str, tuple[str, int]]:
    return {entry["code"]: (entry["name"], int(entry["status"])) for entry in ENTRY.finditer(PAGE.read_text())}


def test_every_error_is_explained_as_it_is() -> None:
    explained = {code: entry for code, entry in entries().items() if code not in HTTP_ONLY}
    assert explained == defined()


def test_every_heading_is_an_entry() -> None:
    assert re.findall(r"^### (.+)$", PAGE.read_text(), re.MULTILINE) == list(entries())


def test_what_http_adds_is_explained() -> None:
    problems = (ROOT / "AgentOperatingSystem" / "api" / "problems.py").read_text()
    assert {code for code in HTTP_ONLY if f'"{code}"' in problems} == HTTP_ONLY
    assert entries().keys() >= HTTP_ONLY


def test_the_address_in_an_error_leads_to_its_entry() -> None:
    page, _, anchor = AOSError("x").docs_url.partition("#")
    assert ROOT / page == PAGE
    assert anchor in anchors_of(PAGE)
