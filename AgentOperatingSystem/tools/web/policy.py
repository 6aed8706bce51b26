"""What may be fetched: a record that is handed to the transport. The default is the public web by https."""

from dataclasses import dataclass

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.tools.web.addresses import Network

MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class WebPolicy:
    """The limits of one use of the web. Raises `ConfigurationError` for limits that make no sense."""

    schemes: frozenset[str] = frozenset({"https"})
    ports: frozenset[int] = frozenset({443})  # add 80 with the scheme http
    networks_allowed: tuple[Network, ...] = ()  # exceptions from what `addresses` refuses, such as an intranet
    redirects_max: int = 5
    bytes_max: int = 5 * MIB  # of a body, as it comes and as it is decompressed
    seconds_max: float = 20.0  # for the whole of it: names, every redirect, the body

    def __post_init__(self) -> None:
        if self.schemes - {"http", "https"}:
            raise ConfigurationError(f"web policy: schemes are http and https, not {', '.join(sorted(self.schemes))}")
        if self.redirects_max < 0 or self.bytes_max < 1 or not self.seconds_max > 0:
            raise ConfigurationError("web policy: redirects_max at least 0, bytes_max at least 1, seconds_max above 0")
