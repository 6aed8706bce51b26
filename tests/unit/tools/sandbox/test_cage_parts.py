"""What the cage's processes decide without the kernel: ids, control groups, reports, requests."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.tools.sandbox.cage import control_groups, identity, report, request

FULL_RANGE = "         0          0 4294967295\n"
CONTAINER = "         0     100000      65536\n"
SEVERAL = "         0       1000          1\n         1     100000      65536\n"
VERSION_2 = "0::/user.slice/user-1000.slice/app.scope\n"


@pytest.mark.parametrize(
    ("id_map", "choice", "expected"),
    [
        (FULL_RANGE, 0, (1 << 31) - 1),
        (FULL_RANGE, 7, (1 << 31) - 8),
        (CONTAINER, 0, 65_535),
        (CONTAINER, 40_000, 65_535 - 40_000 % 32_768),
        (SEVERAL, 1, 65_535),
    ],
)
def test_spare_ids_come_from_the_top_of_the_largest_range(id_map: str, choice: int, expected: int) -> None:
    assert identity.spare_id(id_map, choice) == expected


def test_spare_ids_are_never_root_and_never_outside_of_the_range() -> None:
    for id_map, last in ((FULL_RANGE, 1 << 31), (CONTAINER, 65_536), ("0 0 2\n", 2)):
        assert all(0 < identity.spare_id(id_map, choice) < last for choice in range(0, 1 << 17, 97))


def test_a_report_comes_back_as_it_was() -> None:
    said = report.Report(
        reason="error", exit_code=3, duration_seconds=0.5, stdout=b"\n{}\n", stderr=b"\xff", result=b'{"a": 1}'
    )
    assert report.decode(report.encode(said)) == said


@pytest.mark.parametrize("broken", [b"", b"no json\n", b"{}\n", report.encode(report.Report(reason="done")) + b"x"])
def test_what_is_no_report_is_refused(broken: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        report.decode(broken)


@pytest.mark.parametrize(
    ("stopped_for", "status", "expected"),
    [
        (None, 0, "done"),
        (None, 1, "error"),
        (None, report.MEMORY_EXIT, "memory"),
        (None, -9, "memory"),
        (None, -11, "signal"),
        ("deadline", -9, "deadline"),
        ("output", -9, "output"),
        ("output", 0, "output"),
    ],
)
def test_reasons(stopped_for: str | None, status: int, expected: str) -> None:
    assert report.reason_of(stopped_for, status) == expected


def test_a_request_goes_through_a_pipe() -> None:
    asked = request.Request(
        code="print('\ud800')",
        inputs={"a": [1, None]},
        view=request.View(folders=["/usr/lib/python3"], files=[["/lib/a", "/lib/b"]]),
        timeout_seconds=1.5,
        memory_bytes_max=1,
        output_bytes_max=2,
        scratch_bytes_max=3,
        file_bytes_max=4,
        threads_max=5,
    )
    read, write = os.pipe()
    os.write(write, request.encode(asked) + b"left alone")
    got = request.read(read)
    assert got._replace(view=asked.view, control_groups=()) == asked
    assert got.view._replace(hidden=(), packages=(), path=()) == asked.view
    assert os.read(read, 100) == b"left alone"
    os.close(write)
    with pytest.raises(EOFError):
        request.read(read)
    os.close(read)


def test_inputs_that_are_not_json_are_refused() -> None:
    asked = request.Request("", object(), request.View(), 1, 1, 1, 1, 1, 1)
    with pytest.raises(TypeError):
        request.encode(asked)
    with pytest.raises(ValueError, match="JSON"):
        request.encode(asked._replace(inputs=float("nan")))


def make_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_version_2_groups_are_made_where_the_controllers_are_handed_on(tmp_path: Path) -> None:
    make_tree(
        tmp_path,
        {
            "cgroup.subtree_control": "cpu io memory pids",
            "user.slice/cgroup.subtree_control": "memory pids\n",
            "user.slice/user-1000.slice/cgroup.subtree_control": "memory",
            "user.slice/user-1000.slice/app.scope/cgroup.subtree_control": "",
        },
    )
    (made,) = control_groups.make("1", 1000, 7, root=str(tmp_path), own=VERSION_2)
    assert made == f"{tmp_path}/user.slice/aos-cage-{os.getpid()}-1"
    assert {file.name: file.read_text() for file in Path(made).iterdir()} == {"memory.max": "1000", "pids.max": "7"}


def test_version_1_has_one_group_per_hierarchy(tmp_path: Path) -> None:
    make_tree(tmp_path, {"memory/a/memory.limit_in_bytes": "", "pids/cgroup.procs": "", "cpu/cgroup.procs": ""})
    own = "4:memory:/a\n8:pids:/\n1:cpu:/\n0::/\n"
    made = control_groups.make("1", 1000, 7, root=str(tmp_path), own=own)
    name = f"aos-cage-{os.getpid()}-1"
    assert made == (f"{tmp_path}/memory/a/{name}", f"{tmp_path}/pids/{name}")
    assert Path(made[0], "memory.limit_in_bytes").read_text() == "1000"
    assert Path(made[1], "pids.max").read_text() == "7"
    control_groups.join(made)
    assert Path(made[0], "cgroup.procs").read_text() == "0"


def test_without_a_group_that_can_be_written_there_is_none(tmp_path: Path) -> None:
    assert control_groups.make("1", 1, 1, root=str(tmp_path), own="8:pids:/missing\n0::/x\n") == ()
    make_tree(tmp_path, {"cgroup.subtree_control": "cpu"})
    assert control_groups.make("1", 1, 1, root=str(tmp_path), own=VERSION_2) == ()


def test_groups_of_hosts_that_are_no_more_are_swept(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = [f"aos-cage-{ended.pid}-1", f"aos-cage-{os.getpid()}-1", "other"]
    for name in names:
        (tmp_path / "pids" / name).mkdir(parents=True)
    control_groups.sweep(root=str(tmp_path), own="8:pids:/\n4:memory:/gone\n")
    assert sorted(path.name for path in (tmp_path / "pids").iterdir()) == sorted(names[1:])


def test_a_removed_group_is_gone_and_a_busy_one_is_left(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make_tree(tmp_path, {"busy/task": "1"})
    control_groups.remove([str(tmp_path / "empty"), str(tmp_path / "busy"), str(tmp_path / "missing")])
    assert [path.name for path in tmp_path.iterdir()] == ["busy"]


def test_reports_of_a_cage_are_json_lines() -> None:
    line, _, rest = report.encode(report.Report(reason="done", stdout=b"abc")).partition(b"\n")
    assert json.loads(line)["sizes"] == [3, 0, 0]
    assert rest == b"abc"
