"""Puts pip into the virtual environment whose interpreter runs this file.

The last help of `scripts/environment`, for a machine with Python alone: no ensurepip, no other pip. It fetches one
known wheel from the package index (PIP_INDEX_URL, else the public one; PEP 503), checks its hash, and lets the wheel
install itself. Standard library only.
"""

import hashlib
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urldefrag, urljoin
from urllib.request import urlopen

WHEEL = "pip-26.3-py3-none-any.whl"
SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
INDEX = "https://pypi.org/simple"
TIMEOUT_SECONDS = 60

Fetch = Callable[[str], bytes]


class BootstrapError(Exception):
    """pip could not be fetched or is not the one that was expected."""


class Links(HTMLParser):
    """Collects the addresses that an index page links to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if tag == "a" and name == "href" and value]


def wheel_address(page: str, page_address: str) -> str:
    """Where the page says that the wheel lies. Raises BootstrapError if it lists no such file."""
    links = Links()
    links.feed(page)
    for address in links.addresses:
        absolute = urldefrag(urljoin(page_address, address)).url
        if absolute.endswith("/" + WHEEL):
            return absolute
    raise BootstrapError(f"{page_address} lists no {WHEEL}")


def fetch_wheel(index: str, fetch: Fetch, sha256: str = SHA256) -> bytes:
    """The wheel that this file knows. Raises BootstrapError if the index has another one under its name."""
    page_address = index.rstrip("/") + "/pip/"
    address = wheel_address(fetch(page_address).decode(), page_address)
    wheel = fetch(address)
    found = hashlib.sha256(wheel).hexdigest()
    if found != sha256:
        raise BootstrapError(f"{address} has SHA-256 {found}, not {sha256}: not installed")
    return wheel


def fetch_url(address: str) -> bytes:
    """The body of an address. Raises BootstrapError if it cannot be had."""
    context = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    try:
        with urlopen(address, timeout=TIMEOUT_SECONDS, context=context) as response:
            body: bytes = response.read()
    except (URLError, TimeoutError) as error:
        raise BootstrapError(f"{address} cannot be read: {error}") from error
    return body


def install(wheel: bytes) -> int:
    """Lets the wheel install itself into this interpreter's environment; the exit status says whether it did."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WHEEL
        path.write_bytes(wheel)
        return subprocess.call([sys.executable, f"{path}/pip", "install", "--quiet", "--no-index", str(path)])


def main() -> int:
    """Fetches, checks, installs; the exit status is 0 only if pip is there."""
    try:
        return install(fetch_wheel(os.environ.get("PIP_INDEX_URL", INDEX), fetch_url))
    except BootstrapError as error:
        print(f"bootstrap_pip: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
