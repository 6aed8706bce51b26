"""Where the host of a data folder listens: a file beside the data, so that commands on the same folder find it.

Written by `hosting/local.py` when it listens, read by the command line. A host that is killed leaves the file; nobody
answers there then, which its readers have to reckon with anyway.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "url"


@contextmanager
def announced(folder: Path, url: str) -> Iterator[None]:
    """Keeps `url` in the folder until the host ends; a host that has announced itself there since is left alone."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # a store in the cloud makes none
    path, line = folder / FILE, f"{url}\n"
    path.write_text(line)
    try:
        yield
    finally:
        if path.is_file() and path.read_text() == line:
            path.unlink(missing_ok=True)
