"""A cage on this machine; where it cannot isolate, the tests that need one are skipped, but not in CI."""

from pathlib import Path

import pytest

from AgentOperatingSystem.errors import SandboxUnavailable
from AgentOperatingSystem.tools.sandbox.local import LocalSandbox
from tests.cages import skip_without_sandbox


@pytest.fixture
async def sandbox() -> LocalSandbox:
    return await usable(LocalSandbox())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with one value in it."""
    folder = tmp_path / "granted"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 'from the host'")
    return folder


async def usable(sandbox: LocalSandbox) -> LocalSandbox:
    try:
        await sandbox.check()
    except SandboxUnavailable as error:
        skip_without_sandbox(error)
    return sandbox
