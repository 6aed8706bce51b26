"""Every relative link of every page leads to a file that is there, and to a heading of it."""

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown import PAGES, ROOT, anchors_of, links_of


def test_there_are_pages() -> None:
    assert {"README.md", "ARCHITECTURE.md", "docs/guarantees.md"} <= {str(page.relative_to(ROOT)) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    targets = [target for target in links_of(page) if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in targets if not resolves(page, target)] == []


def resolves(page: Path, target: str) -> bool:
    path, _, anchor = unquote(target).partition("#")
    found = (page.parent / path).resolve() if path else page
    inside = found.is_relative_to(ROOT) and found.exists()
    return inside and (not anchor or (found.suffix == ".md" and anchor in anchors_of(found)))
