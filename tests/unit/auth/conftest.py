import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh current directory, and an environment without any variable that the configuration reads."""
    for name in os.environ:
        if (
            name.startswith(("AOS_", "AZURE_", "AzureWebJobsStorage", "ServiceBusConnection"))
            or name == "APP_ENVIRONMENT"
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
