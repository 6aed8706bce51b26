"""The configuration: whether it can be read, fits together, and names agents that load."""

from collections.abc import Iterator

from AgentOperatingSystem.cli.doctor.findings import Finding, fault, ok, warning
from AgentOperatingSystem.config import AOSConfig, load_app
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.errors import AOSError, ConfigurationError
from AgentOperatingSystem.orchestration.applications import agents_of
from AgentOperatingSystem.orchestration.registry import Registry


def unreadable(error: ConfigurationError) -> Finding:
    """The finding where there is no configuration to look at."""
    return fault("configuration", str(error), "correct what the line names; docs/configuration.md lists every setting")


def checks(config: AOSConfig, is_up: bool) -> Iterator[Finding]:
    """What the configuration says, and whether that can work; agents need not be named where a server `is_up`."""
    yield ok("configuration", f"environment {config.environment}, tenant {config.tenant}")
    if config.token is None and not is_loopback(config.host):
        yield fault("exposure", f"{config.host} is not loopback and there is no token", "set AOS_TOKEN")
    yield app(config.app, is_up)


def app(spec: str | None, is_up: bool) -> Finding:
    """Whether the user's agents can be loaded."""
    if spec is None and is_up:
        return ok("app", "none is configured; the server has its own")
    if spec is None:
        return warning(
            "app", "no agents are named", "set AOS_APP, or start with `aos up APP`; `aos init NAME` makes some"
        )
    try:
        registry = Registry()
        names = [registry.register(agent).name for agent in agents_of(load_app(spec))]
    except AOSError as error:
        return fault("app", str(error), "correct the module, or the setting `app`")
    return ok("app", f"{spec}: {', '.join(names)}")
