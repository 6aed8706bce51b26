"""Which role an identity needs for which service, and the command that gives it: what a 401 or 403 is answered with.

Pure; called by the adapters where a service refuses the host, and by `aos doctor`. Names and ids are those of Microsoft
Learn, "Azure built-in roles"; tests/unit/config/test_azure_roles.py holds them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from AgentOperatingSystem.config.addresses import is_loopback

UNKNOWN_IDENTITY: Final = "<object id of the host's identity>"

UNKNOWN_NAME: Final = "<name>"


class Role(NamedTuple):
    """A built-in role."""

    name: str
    id: str


class Service(NamedTuple):
    """A service that the host speaks to by its identity."""

    title: str
    roles: tuple[Role, ...]
    az: str
    """What follows `az` to show the resource, up to its name."""


_TABLES = Role("Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3")
_BLOBS = Role("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")
_QUEUES = Role("Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88")
_SENDER = Role("Azure Service Bus Data Sender", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39")
_RECEIVER = Role("Azure Service Bus Data Receiver", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0")
_SECRETS = Role("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6")
_OPENAI = Role("Cognitive Services OpenAI User", "5e0bd9bd-7b93-4f28-af87-19fc36ad61bd")
_SESSIONS = Role("Azure ContainerApps Session Executor", "0fb8eba5-a2bb-4abe-b1c1-49dfad359bb0")
_MACHINE_LEARNING = Role("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")
_METRICS = Role("Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb")

_ACCOUNT = "storage account show --name"
SERVICES: Final[Mapping[str, Service]] = MappingProxyType(
    {
        "table": Service("the storage account", (_TABLES,), _ACCOUNT),
        "blob": Service("the storage account", (_BLOBS,), _ACCOUNT),
        "queue": Service("the storage account", (_QUEUES,), _ACCOUNT),
        "storage": Service("the storage account", (_TABLES, _BLOBS), _ACCOUNT),
        "servicebus": Service("the Service Bus namespace", (_SENDER, _RECEIVER), "servicebus namespace show --name"),
        "keyvault": Service("the key vault", (_SECRETS,), "keyvault show --name"),
        "openai": Service("the Azure OpenAI resource", (_OPENAI,), "cognitiveservices account show --name"),
        "sessions": Service("the session pool", (_SESSIONS,), "containerapp sessionpool show --name"),
        "ml": Service("the Azure ML workspace", (_MACHINE_LEARNING,), "ml workspace show --name"),
        "monitor": Service("Application Insights", (_METRICS,), "monitor app-insights component show --app"),
    }
)
_BY_NAME_ALONE: Final = frozenset({"table", "blob", "queue", "storage", "keyvault"})
"""Services that `az` finds by their name; the others want the resource group too."""


def resource_name(address: str) -> str:
    """The resource's name in its address: the first label of the host; the last part of a session pool's path; on an
    emulator, which has no names, the first part of the path, or the host.
    """
    parts = urlsplit(address if "//" in address else f"//{address}")
    host, first = parts.hostname or "", parts.path.strip("/").partition("/")[0]
    if "/sessionPools/" in parts.path:
        return parts.path.rstrip("/").rpartition("/")[2]
    if not host:
        return UNKNOWN_NAME
    if is_loopback(host):
        return first if first.isalnum() else host
    return host.partition(".")[0]


def missing_role(service: str, address: str, identity: str = "") -> str:
    """One sentence for a refused call: which roles, on which scope, and the commands that give them.

    `service` is a key of `SERVICES`, `address` the service's URL or host, `identity` the client id of the host's
    identity where it is configured.
    """
    about, name = SERVICES[service], resource_name(address)
    names = " and ".join(repr(role.name) for role in about.roles)
    commands = " && ".join(assign_command(role, service, name, identity) for role in about.roles)
    return f"the host's identity needs {_roles(about)} {names} on {about.title} {name}: {commands}"


def assign_command(role: Role, service: str, name: str, identity: str = "") -> str:
    """The `az` command that assigns a role on a resource."""
    group = "" if service in _BY_NAME_ALONE else " --resource-group <resource group>"
    scope = f"$(az {SERVICES[service].az} {name}{group} --query id --output tsv)"
    return f'az role assignment create --role {role.id} --assignee "{identity or UNKNOWN_IDENTITY}" --scope "{scope}"'


def _roles(service: Service) -> str:
    return "the role" if len(service.roles) == 1 else "the roles"
