""".env.example names every setting, as the code has it, and the configuration accepts it (specification row 399)."""

from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.config.layers import environment_names

FILE = Path(__file__).parents[3] / ".env.example"
HEAD = """\
# Every setting of the Agent Operating System with its default: copy this to .env, and take the # away before those that
# you change. Secrets may be references, such as keyvault://openai-key (docs/secrets.md). For a shell:
#   set -a; . ./.env; set +a
"""


def template() -> str:
    """The file as the code would write it; paste it there where this test fails."""
    fields = AOSConfig.model_fields.items()
    lines = (
        f"\n# {field.description}\n# {environment_names(name)[0]}={'' if field.default is None else field.default}\n"
        for name, field in fields
    )
    return HEAD + "".join(lines)


def test_the_template_is_complete() -> None:
    assert FILE.read_text() == template()


def test_every_line_of_it_can_be_set(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = AOSConfig()
    for line in FILE.read_text().splitlines():
        if line.startswith("# AOS_"):
            name, _, value = line.removeprefix("# ").partition("=")
            monkeypatch.setenv(name, "" if name == "AOS_CONFIG_DIR" else value)
    shown = {setting.name: setting.value for setting in AOSConfig().describe()}
    assert shown == {setting.name: setting.value for setting in defaults.describe()}
