"""The limits that docs/operations.md lists are those of the code."""

import re

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.events import TEXT_LENGTH_MAX
from AgentOperatingSystem.ids import KEY_LENGTH_MAX
from AgentOperatingSystem.messaging.cloudevents import BATCH_MAX
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text()
ROWS = re.findall(
    r"^\| (.+?) \| ([\d,]+) ?(\w*).*? \| (?:`(\w+)`.*)?\|$", PAGE.partition("## Sizes and limits")[2], re.MULTILINE
)
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20}
FIXED = {
    "each text of an event's envelope": TEXT_LENGTH_MAX,
    "key of an agent, of a memory": KEY_LENGTH_MAX,
    "events of one CloudEvents batch": BATCH_MAX,
}


def listed(text: str, unit: str) -> int:
    return int(text.replace(",", "")) * UNITS.get(unit, 1)


def test_settings_have_the_limits_that_are_listed() -> None:
    limits = {setting: listed(text, unit) for _, text, unit, setting in ROWS if setting}
    assert len(limits) >= 8
    assert limits == {setting: AOSConfig.model_fields[setting].default for setting in limits}


def test_fixed_limits_are_those_that_are_listed() -> None:
    limits = {what: listed(text, unit) for what, text, unit, setting in ROWS if not setting}
    assert {what: limits.get(what) for what in FIXED} == FIXED
