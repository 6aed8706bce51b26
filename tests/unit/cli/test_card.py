"""`aos card`, on the files of a system that does not run."""

import asyncio
import json
from pathlib import Path

import pytest

from AgentOperatingSystem import AgentOperatingSystem, AOSConfig
from tests.unit.cli import desk
from tests.unit.cli.conftest import Aos

APP = str(Path(desk.__file__))


@pytest.fixture
def data(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def make() -> None:
        async with AgentOperatingSystem(AOSConfig(data_dir=bare / "data")) as aos:
            await aos.register_app(desk)
            await aos.process_event({"agent": "desk", "type": "t"})

    asyncio.run(make())
    monkeypatch.setenv("AOS_DATA_DIR", "data")
    return bare / "data"


def test_the_page_and_the_document(data: Path, aos: Aos) -> None:
    page = aos("card", "desk/a", "--app", APP)
    assert page.code == 0, page.err
    assert page.out.startswith("# desk 1.0.0\n\nCounts what comes.\n\n* **Address:** `desk/a`\n")
    document = json.loads(aos("card", "desk/a", "--app", APP, "--json").out)
    assert (document["agent"], document["capabilities"]) == ("desk/a", ["counting"])


def test_without_the_code_there_is_no_card(data: Path, aos: Aos) -> None:
    ran = aos("card", "desk")
    assert ran.code != 0
    assert "no agent is registered as 'desk'; registered: none" in ran.err
