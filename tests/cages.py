"""What tests do where a machine has no sandbox: skip, unless that is what the tests are there to find out."""

import os
from typing import NoReturn

import pytest

from AgentOperatingSystem.errors import SandboxUnavailable


def skip_without_sandbox(error: SandboxUnavailable) -> NoReturn:
    """Skips where the machine cannot isolate. In CI that is a failure, and so is everywhere a cage that has a hole."""
    if os.environ.get("CI") or "self-test" in str(error):
        raise error
    pytest.skip(str(error))
