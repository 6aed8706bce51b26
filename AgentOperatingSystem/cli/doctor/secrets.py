"""Secrets that lie elsewhere: whether each of them can be read, and what the host's identity lacks where it cannot."""

import asyncio
from collections.abc import Iterator

from AgentOperatingSystem.auth.checking import checked
from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok
from AgentOperatingSystem.config import AOSConfig


def checks(config: AOSConfig) -> Iterator[Finding]:
    """One finding for each setting that refers to a secret; none where no setting does."""
    if not config.live_secrets():
        return
    for each in asyncio.run(checked(config)):
        if each.trouble:
            yield fault(each.setting, f"{each.reference}: {each.trouble}", "docs/secrets.md says where secrets may lie")
        else:
            yield ok(each.setting, f"{each.reference} can be read")
