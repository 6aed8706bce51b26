"""The wheel is found on an index page, and only the expected one is taken."""

import hashlib

import pytest

from scripts.bootstrap_pip import WHEEL, BootstrapError, fetch_url, fetch_wheel, wheel_address

PAGE = "https://index.example/simple/pip/"
LISTED = f"""<!DOCTYPE html><html><body>
<a href="../../files/pip-25.0-py3-none-any.whl#sha256=00">pip-25.0-py3-none-any.whl</a>
<a href="../../files/{WHEEL}#sha256=01" data-requires-python="&gt;=3.10">{WHEEL}</a>
</body></html>"""
CONTENT = b"the wheel"


def index(address: str) -> bytes:
    return {PAGE: LISTED.encode(), f"https://index.example/files/{WHEEL}": CONTENT}[address]


def test_relative_address_is_resolved_against_the_page() -> None:
    assert wheel_address(LISTED, PAGE) == f"https://index.example/files/{WHEEL}"


def test_absolute_address_is_taken_as_it_is() -> None:
    page = f'<a href="https://files.example/a/{WHEEL}">{WHEEL}</a>'
    assert wheel_address(page, PAGE) == f"https://files.example/a/{WHEEL}"


def test_page_without_the_wheel_is_an_error() -> None:
    with pytest.raises(BootstrapError, match="lists no pip"):
        wheel_address("<a name='top'>nothing here</a>", PAGE)


@pytest.mark.parametrize("base", ["https://index.example/simple", "https://index.example/simple/"])
def test_expected_wheel_is_fetched(base: str) -> None:
    assert fetch_wheel(base, index, sha256=hashlib.sha256(CONTENT).hexdigest()) == CONTENT


def test_another_wheel_under_its_name_is_refused() -> None:
    with pytest.raises(BootstrapError, match="not installed"):
        fetch_wheel("https://index.example/simple", index)


def test_unreachable_index_is_one_sentence() -> None:
    with pytest.raises(BootstrapError, match="cannot be read"):
        fetch_url("http://127.0.0.1:9/simple/pip/")
