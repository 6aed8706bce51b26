"""Fsyncs are counted from the system calls between two marks."""

import subprocess
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.proof.bench.fsyncs import can_trace, counted, mark, tracing

TRACE = """\
11 fdatasync(5</data/floor.db-wal>) = 0
11 fsync(6</data/measured.begin>) = 0
12 fdatasync(5</data/floor.db-wal> <unfinished ...>
11 fsync(7</data/other>) = 0
12 <... fdatasync resumed>) = 0
11 fsync(6</data/measured.end>) = 0
11 fdatasync(5</data/floor.db>) = 0
11 +++ exited with 0 +++
"""


def test_only_what_lies_between_the_marks_counts_and_a_halved_call_counts_once() -> None:
    assert counted(TRACE) == 2


@pytest.mark.skipif(not can_trace(), reason="strace is not here, or may not trace")
def test_a_traced_process_shows_its_fsyncs(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from AgentOperatingSystem.proof.bench.fsyncs import mark
folder = Path(sys.argv[1])
with (folder / "data").open("wb") as file:
    os.fsync(file)
    mark(folder, "begin")
    [os.fdatasync(file.fileno()) for _ in range(5)]
    mark(folder, "end")
"""
    trace = tmp_path / "trace"
    subprocess.run([*tracing(trace), sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    assert counted(trace.read_text()) == 5


def test_a_mark_is_a_file_of_its_own_name(tmp_path: Path) -> None:
    mark(tmp_path, "begin")
    assert [path.name for path in tmp_path.iterdir()] == ["measured.begin"]
