"""docs/alerts.md: its rules are rules, and what it shows of a publication is what is published."""

from pathlib import Path

import msgspec

from AgentOperatingSystem.orchestration.alerts.agent import said
from AgentOperatingSystem.orchestration.alerts.book import Report, Standing, Told
from AgentOperatingSystem.orchestration.alerts.rules import Rules
from tests.docs.markdown import ROOT, blocks_of

PAGE = ROOT / "docs" / "alerts.md"
SHOWN, FILE = (block for block in blocks_of(PAGE) if block.language == "json")


def test_the_file_holds_rules(tmp_path: Path) -> None:
    path = tmp_path / FILE.marks["file"]
    path.write_text(FILE.text)
    rules = Rules.of(path)
    assert (len(rules.all), rules.every_seconds, rules.all["mailbox_deep"].for_seconds) == (10, 30, 120)


def test_the_publication_has_these_keys() -> None:
    standing = Standing(since=1.0, value=1.0, severity="warning", host="h", begun_at=1.0)
    made = said(Told(what="begun", rule="r", subject="s", standing=standing), Report(host="h", at=1.0, checked=()))
    assert list(made) == list(msgspec.json.decode(SHOWN.text)["data"])
