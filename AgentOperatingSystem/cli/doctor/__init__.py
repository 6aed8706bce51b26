"""The doctor: looks at the configuration, the machine, the model, the data folder and the server, and says what to do.

Called by `aos doctor`; each module holds checks of one kind, and each check yields findings. Nothing is changed but a
probe file that is gone again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from AgentOperatingSystem.cli.doctor import carriers, data, machine, models, secrets, server, settings
from AgentOperatingSystem.cli.doctor.findings import FAULT, OK, Finding
from AgentOperatingSystem.cli.system import System
from AgentOperatingSystem.config import AOSConfig, Setting, client_settings
from AgentOperatingSystem.config.sources import DEFAULT_ORIGIN
from AgentOperatingSystem.errors import ConfigurationError


class Report(NamedTuple):
    """All findings, and what is configured."""

    findings: list[Finding]
    settings: list[Setting]

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong; a warning is no fault."""
        return all(finding.status != FAULT for finding in self.findings)

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "ok": self.is_well,
            "findings": [finding._asdict() for finding in self.findings],
            "settings": {found.name: {"value": found.value, "origin": found.origin} for found in self.settings},
        }


def examine(url: str | None, token: str | None, data_dir: Path | None, app: str | None, online: bool = False) -> Report:
    """Runs all checks that concern a system: of this machine, or (where a URL is given) of the server there alone.

    The configured model is called only where `online`.
    """
    try:
        config = AOSConfig(url=url, token=token, data_dir=data_dir, app=app)
        system = System(client_settings(url=url, token=token, data_dir=data_dir), config.app)
    except ConfigurationError as error:
        return Report([*machine.checks(), settings.unreadable(error)], [])
    try:
        given = [setting for setting in config.describe() if setting.origin != DEFAULT_ORIGIN]
        return Report(list(_findings(system, config, online)), given)
    finally:
        system.close()


def _findings(system: System, config: AOSConfig, online: bool) -> Iterator[Finding]:
    of_server = list(server.checks(system))
    is_up = of_server[0].status == OK
    yield from machine.checks()
    yield from settings.checks(config, is_up)
    if config.url is None:
        yield from secrets.checks(config)
        yield from carriers.checks(config)
        yield from models.checks(config, online)
        yield from data.checks(config.data_dir)
    yield from of_server
