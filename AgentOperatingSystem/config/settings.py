"""`AOSConfig`: every setting of the system, with its meaning, its limits and its origin; declared in `config/groups`.

The doors and the command line make one, the composition file hands its values down, and no other module reads an
environment variable or a configuration file. Layers, the strongest last: defaults, `config/*.json`, environment,
runtime arguments (specification row 390).
"""

import os
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import PrivateAttr, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from AgentOperatingSystem.config.connection_strings import secret_parts
from AgentOperatingSystem.config.groups.azure_ml import AzureMLSettings
from AgentOperatingSystem.config.groups.deployment import DeploymentSettings
from AgentOperatingSystem.config.groups.functions import FunctionsSettings
from AgentOperatingSystem.config.groups.identity import IdentitySettings
from AgentOperatingSystem.config.groups.models import ModelSettings
from AgentOperatingSystem.config.groups.stores import StoreSettings
from AgentOperatingSystem.config.groups.telemetry import TelemetrySettings
from AgentOperatingSystem.config.groups.tools import ToolSettings
from AgentOperatingSystem.config.groups.work import WorkSettings
from AgentOperatingSystem.config.references import LiveSecret
from AgentOperatingSystem.config.sections import DeclaredApp, Sections, read_sections
from AgentOperatingSystem.config.sources import (
    DEFAULT_ORIGIN,
    LayerSource,
    Setting,
    complaint,
    directory_of,
    read_layers,
    shown,
)
from AgentOperatingSystem.errors import ConfigurationError


# pydantic lists the fields of the last base first.
class AOSConfig(
    TelemetrySettings,
    ToolSettings,
    AzureMLSettings,
    ModelSettings,
    WorkSettings,
    StoreSettings,
    FunctionsSettings,
    IdentitySettings,
    DeploymentSettings,
):
    """The configuration of one system, read once and frozen.

    `AOSConfig()` is what files and environment say; keyword arguments override them, and `None` means "not given"
    (specification row 391). A subclass adds settings of its own, read from the same layers. Secrets appear in no
    `repr`, description or error message. Raises `ConfigurationError`: one line that names each wrong key and its
    origin.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _sections: Sections = PrivateAttr(default_factory=lambda: Sections({}, ()))

    def __init__(self, **values: Any) -> None:
        fields = type(self).model_fields
        layers = read_layers(fields, values, os.environ)
        given = ChainMap(*layers)
        try:
            super().__init__(_build_sources=(tuple(LayerSource(type(self), layer) for layer in layers), {}))
        except ValidationError as error:
            raise ConfigurationError(complaint(error, fields, given)) from None
        self._origins.update({name: value.origin for name, value in given.items()})
        self._sections = read_sections(directory_of(fields, *layers), os.environ)

    def origin(self, name: str) -> str:
        """Where the value of a setting came from, such as `environment AOS_PORT`, `file config/x.json` or `default`.

        Raises `ConfigurationError` where no setting has this name.
        """
        if name not in type(self).model_fields:
            raise ConfigurationError(f"{name} is not a setting")
        return self._origins.get(name, DEFAULT_ORIGIN)

    @property
    def application(self) -> Mapping[str, Any]:
        """What the files hold under `application`, which is no setting of ours: for the application itself."""
        return self._sections.application

    @property
    def apps(self) -> tuple[DeclaredApp, ...]:
        """The apps that the files declare under `apps`; the system registers their agents when it starts."""
        return self._sections.apps

    def describe(self) -> Iterator[Setting]:
        """Every setting in the order of the documentation, secrets masked: what `aos config show` prints."""
        for name, field in type(self).model_fields.items():
            yield Setting(name, shown(getattr(self, name)), self.origin(name), field.description or "")

    def live_secrets(self) -> dict[str, LiveSecret]:
        """The settings that name a secret elsewhere instead of holding it; `auth` reads those."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, LiveSecret)}

    def secret_values(self) -> frozenset[str]:
        """Every secret, and the keys within connection strings, for the log's redaction."""
        values = [getattr(self, name) for name in type(self).model_fields]
        known = (value for value in values if isinstance(value, SecretStr))
        secrets = [value.get_secret_value() for value in known if not isinstance(value, LiveSecret) or value.is_known]
        return frozenset(secrets).union(*(secret_parts(secret) for secret in secrets))
