"""The limits, tables and files that docs/postgres.md names are those of the code."""

import re

from AgentOperatingSystem.messaging.postgres import queue
from AgentOperatingSystem.storage.postgres.blobs import BLOB_BYTES_MAX
from AgentOperatingSystem.storage.postgres.database import ATTEMPTS_MAX
from AgentOperatingSystem.storage.postgres.schema import STEPS
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "postgres.md").read_text()


def test_limits_are_as_the_page_says() -> None:
    assert f"| one blob, and so one state | {BLOB_BYTES_MAX >> 20} MiB," in PAGE
    assert f"| tries of a statement that was cut off | {ATTEMPTS_MAX}," in PAGE
    assert f"takes up to {queue.SEEN_MAX} messages" in PAGE


def test_the_page_lists_every_table() -> None:
    made = set(re.findall(r"CREATE TABLE (\w+)", " ".join(sql for step in STEPS for sql in step)))
    assert {*made, "meta"} == set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.MULTILINE))


def test_files_that_the_page_names_exist() -> None:
    named = re.findall(r"`(tests/[a-z_/.]+)`", PAGE)
    assert len(named) == 5
    assert [name for name in named if not (ROOT / name).exists()] == []
