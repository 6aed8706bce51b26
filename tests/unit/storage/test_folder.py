"""Blobs in a folder: where they lie, what a killed writer leaves, and how a writer and a remover pass each other."""

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path

import pytest

from AgentOperatingSystem.storage.blob_names import name_of
from AgentOperatingSystem.storage.folder import ASIDE_PREFIX, ASIDE_SECONDS_MAX, FolderBlobStore
from tests.clocks import ManualClock

CONTENT = b"content"
NAME = name_of(CONTENT)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> FolderBlobStore:
    return FolderBlobStore(tmp_path / "blobs", clock)


def path_of(folder: Path, name: str = NAME) -> Path:
    return folder / "blobs" / name[:2] / name[2:4] / name


async def names(store: FolderBlobStore) -> list[str]:
    return [name async for name, _ in store.names()]


async def test_a_blob_lies_under_its_hash_in_two_levels(store: FolderBlobStore, tmp_path: Path) -> None:
    await store.put(CONTENT)
    assert path_of(tmp_path).read_bytes() == CONTENT
    assert [path.name for path in path_of(tmp_path).parent.iterdir()] == [NAME], "nothing is left aside"


async def test_its_time_is_the_systems(store: FolderBlobStore, tmp_path: Path, clock: ManualClock) -> None:
    clock.time = 1_000_000.5
    await store.put(CONTENT)
    assert path_of(tmp_path).stat().st_mtime == pytest.approx(1_000_000.5)


async def test_other_files_are_no_blobs(store: FolderBlobStore, tmp_path: Path) -> None:
    await store.put(CONTENT)
    for stranger in ("README", NAME[:-1], NAME + ".tmp", NAME.upper()):
        (path_of(tmp_path).parent / stranger).write_bytes(b"")
    (tmp_path / "blobs" / "other").mkdir()
    assert await names(store) == [NAME]


async def test_what_a_killed_writer_left_aside_goes_after_a_day(
    store: FolderBlobStore, tmp_path: Path, clock: ManualClock
) -> None:
    await store.put(CONTENT)
    ages = {"young": ASIDE_SECONDS_MAX - 10, "old": ASIDE_SECONDS_MAX + 10}
    for which, age in ages.items():
        aside = path_of(tmp_path).parent / f"{ASIDE_PREFIX}{which}"
        aside.write_bytes(b"half")
        os.utime(aside, (clock.time - age, clock.time - age))
    assert await names(store) == [NAME]
    left = {path.name for path in path_of(tmp_path).parent.iterdir()}
    assert left == {NAME, f"{ASIDE_PREFIX}young"}


async def test_a_half_written_blob_is_not_taken_for_whole(store: FolderBlobStore, tmp_path: Path) -> None:
    await store.put(CONTENT)
    path_of(tmp_path).write_bytes(CONTENT[:3])
    await store.put(CONTENT)
    assert await store.get(NAME) == CONTENT


async def test_a_writer_and_a_remover_pass_one_after_the_other(
    store: FolderBlobStore, tmp_path: Path, clock: ManualClock
) -> None:
    """While somebody else is in there, in this process or another, neither of them gets in."""
    await store.put(CONTENT)
    with (tmp_path / "blobs" / ".lock").open("ab") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        waiting = [asyncio.create_task(store.put(CONTENT)), asyncio.create_task(store.delete(NAME, clock.time + 1))]
        await asyncio.to_thread(time.sleep, 0.03)
        assert [task.done() for task in waiting] == [False, False]
    await asyncio.gather(*waiting)


REMOVER = """
import asyncio, sys
from pathlib import Path
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.storage.folder import FolderBlobStore

async def main(folder, name):
    store, clock = FolderBlobStore(Path(folder)), SystemClock()
    print("ready", flush=True)
    for _ in range(400):
        await store.delete(name, unless_put_after=clock.now() - 5)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_remover_in_another_process_takes_nothing_that_was_just_put(tmp_path: Path) -> None:
    clock = ManualClock()
    clock.time = time.time()
    store = FolderBlobStore(tmp_path / "blobs", clock)
    await store.put(CONTENT)
    remover = await asyncio.create_subprocess_exec(
        sys.executable, "-c", REMOVER, str(tmp_path / "blobs"), NAME, stdout=asyncio.subprocess.PIPE
    )
    assert remover.stdout is not None
    assert await remover.stdout.readline() == b"ready\n"
    for _ in range(60):
        clock.time = time.time() - 3600
        await store.put(CONTENT)  # old at once: the other one may remove it
        clock.time = time.time()
        await store.put(CONTENT)
        assert await store.get(NAME) == CONTENT
    assert await remover.wait() == 0
