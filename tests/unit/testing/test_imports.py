"""The module of tools for tests loads nothing until something of it is used."""

import subprocess
import sys

import pytest

from AgentOperatingSystem import testing


def test_importing_it_loads_nothing_heavy() -> None:
    script = (
        "import sys, AgentOperatingSystem.testing; "
        "print([name for name in ('fastapi', 'mcp', 'autogen_core', 'openai', 'pydantic', 'msgspec', 'asyncio')"
        " if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "[]\n"


def test_each_name_is_there() -> None:
    assert all(getattr(testing, name) for name in testing.__all__)
    with pytest.raises(AttributeError):
        _ = testing.nothing
