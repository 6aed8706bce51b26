"""Which files are watched, and what counts as a change."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import load_app
from AgentOperatingSystem.hosting.reload import app_folder, stamps, until_changed


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app with a package beneath it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "parts_of_it").mkdir()
    (tmp_path / "parts_of_it" / "__init__.py").write_text("")
    (tmp_path / "parts_of_it" / "deep.py").write_text("value = 1\n")
    path = tmp_path / "reloaded_app.py"
    path.write_text("from parts_of_it import deep\n")
    load_app(str(path))
    return path


def test_the_folder_of_a_file_and_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert app_folder(str(tmp_path / "x" / "app.py")) == tmp_path / "x"
    assert app_folder("app.py") == tmp_path
    assert app_folder("package.module") == tmp_path


def test_the_app_and_what_it_loads_is_watched_and_nothing_else(app: Path, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "unloaded.py").write_text("")
    watched = {str(path.relative_to(tmp_path)) for path in stamps(tmp_path)}
    assert watched == {"reloaded_app.py", "beside.py", "parts_of_it/__init__.py", "parts_of_it/deep.py"}


@pytest.mark.parametrize("name", ["reloaded_app.py", "parts_of_it/deep.py"])
@pytest.mark.parametrize("how", ["written", "gone"])
async def test_a_change_is_noticed(app: Path, tmp_path: Path, name: str, how: str) -> None:
    waiting = asyncio.create_task(until_changed(tmp_path, {}, SystemClock()))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    changed = tmp_path / name
    if how == "gone":
        changed.unlink()
    else:
        os.utime(changed, ns=(0, changed.stat().st_mtime_ns + 1))
    assert await asyncio.wait_for(waiting, 10) == changed


async def test_a_change_before_the_watch_begins_counts_too(app: Path, tmp_path: Path) -> None:
    before = stamps(tmp_path)
    os.utime(app, ns=(0, 1))
    assert await asyncio.wait_for(until_changed(tmp_path, before, SystemClock()), 10) == app
