"""host.json and local.settings.json of an app, as far as the local Functions host follows them.

Read by `host.py`. Names that are not given have the defaults of the Azure Functions host.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from AgentOperatingSystem.errors import ConfigurationError

_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2})(?:\.(\d{1,7}))?")
Settings = TypeVar("Settings", "ServiceBusSettings", "QueueSettings")
_NAME = re.compile(r"%([^%]+)%")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBusSettings:
    """`extensions.serviceBus` of host.json."""

    max_concurrent_sessions: int = 8
    max_concurrent_calls: int = 16
    max_message_batch_size: int = 1000
    prefetch_count: int = 0
    session_idle_timeout: timedelta = timedelta(seconds=60)
    max_auto_lock_renewal_duration: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """`extensions.queues` of host.json."""

    batch_size: int = 16
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    visibility_timeout: timedelta = timedelta()
    message_encoding: str = "base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """One app's host.json, and the values by which its bindings are resolved."""

    service_bus: ServiceBusSettings = field(default_factory=ServiceBusSettings)
    queues: QueueSettings = field(default_factory=QueueSettings)
    function_timeout: timedelta = timedelta(minutes=30)
    values: Mapping[str, str] = field(default_factory=dict)

    def resolved(self, text: str) -> str:
        """A binding's text, with each `%NAME%` replaced by the app setting. Raises `ConfigurationError`."""
        return _NAME.sub(lambda found: self.value(found[1]), text)

    def value(self, name: str) -> str:
        """An app setting. Raises `ConfigurationError` where there is none."""
        found = self.values.get(name)
        if not found:
            raise ConfigurationError(
                f"the app setting {name} is not there: put it into local.settings.json or export it"
            )
        return found


def read(folder: Path, environment: Mapping[str, str]) -> AppSettings:
    """The settings of the app in `folder`; the environment wins over local.settings.json.

    Raises `ConfigurationError` for a file that cannot be read as what it is.
    """
    host = _object(folder / "host.json")
    extensions = host.get("extensions", {})
    if extensions.get("http", {}).get("routePrefix", "api"):
        raise ConfigurationError(f'{folder / "host.json"}: extensions.http.routePrefix must be ""')
    timeout = host.get("functionTimeout", "00:30:00")
    return AppSettings(
        service_bus=_filled(ServiceBusSettings, extensions.get("serviceBus", {})),
        queues=_filled(QueueSettings, extensions.get("queues", {})),
        function_timeout=timedelta.max if timeout == "-1" else span(timeout),
        values=local_values(folder) | dict(environment),
    )


def local_values(folder: Path) -> dict[str, str]:
    """What local.settings.json gives; nothing where there is no such file. Raises `ConfigurationError`."""
    path = folder / "local.settings.json"
    values = _object(path).get("Values", {}) if path.is_file() else {}
    wrong = [name for name, value in values.items() if not isinstance(value, str)]
    if wrong:
        raise ConfigurationError(f"{path}: Values.{wrong[0]} is not a text")
    return dict(values)


def span(text: str) -> timedelta:
    """A .NET time span, `[days.]hours:minutes:seconds[.fraction]`. Raises `ConfigurationError`."""
    found = _SPAN.fullmatch(text)
    if not found:
        raise ConfigurationError(f"host.json: {text!r} is no time span such as 00:05:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[:4])
    fraction = float(f"0.{found[5] or 0}")
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds + fraction)


def _filled(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    """A record of host.json's own names, which are those of the fields in camel case."""
    found: dict[str, Any] = {}
    for each in fields(kind):
        usual: Any = each.default
        value = given.get(_camel(each.name))
        if value is not None:
            found[each.name] = span(value) if isinstance(usual, timedelta) else type(usual)(value)
    return kind(**found)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"{path}: is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{path}: must hold one JSON object")
    return found
