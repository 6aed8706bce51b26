"""The app settings by which Azure Functions connects to storage and Service Bus, as settings of ours.

`layers` lays them under the environment's own names: whoever deploys to Functions names an account once. Source:
Microsoft Learn, "Azure Functions developer guide: connections", for identity-based connections.

    AzureWebJobsStorage                                  storage_connection_string
    AzureWebJobsStorage__accountName                     storage_account_url
    AzureWebJobsStorage__blobServiceUri (table, queue)   storage_account_url
    ServiceBusConnection                                 servicebus_connection_string
    ServiceBusConnection__fullyQualifiedNamespace        servicebus_fully_qualified_namespace
    …__credential (managedidentity), …__clientId         identity, identity_client_id
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from AgentOperatingSystem.errors import ConfigurationError

STORAGE, SERVICE_BUS = "AzureWebJobsStorage", "ServiceBusConnection"
_STORAGE_SETTINGS: Final = ("storage_connection_string", "storage_account_url")
_BUS_SETTINGS: Final = ("servicebus_connection_string", "servicebus_fully_qualified_namespace")
_URIS: Final = ("blobServiceUri", "tableServiceUri", "queueServiceUri")


def functions_settings(environ: Mapping[str, str], given: Collection[str]) -> dict[str, tuple[str, str]]:
    """Setting → (value, variable), for what is not `given` by a name of ours: a connection as a whole or not at all.

    Raises `ConfigurationError` where two variables name two identities: a process has one.
    """
    found: dict[str, tuple[str, str]] = {}
    for connection, settings in ((STORAGE, _STORAGE_SETTINGS), (SERVICE_BUS, _BUS_SETTINGS)):
        if given and any(name in given for name in settings):
            continue
        reader = _storage if connection == STORAGE else _service_bus
        for setting, value, variable in (*reader(environ), *_identity(environ, connection)):
            if setting in given:
                continue
            before = found.setdefault(setting, (value, variable))
            if before[0] != value:
                raise ConfigurationError(
                    f"environment {before[1]} and environment {variable} differ: a process has one identity"
                )
    return found


def _storage(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    if environ.get(STORAGE):
        yield "storage_connection_string", environ[STORAGE], STORAGE
        return
    account = f"{STORAGE}__accountName"
    if environ.get(account):
        yield "storage_account_url", f"https://{environ[account]}.blob.core.windows.net", account
        return
    named = next((f"{STORAGE}__{uri}" for uri in _URIS if environ.get(f"{STORAGE}__{uri}")), None)
    if named:
        yield "storage_account_url", environ[named], named


def _service_bus(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    if environ.get(SERVICE_BUS):
        yield "servicebus_connection_string", environ[SERVICE_BUS], SERVICE_BUS
        return
    namespace = f"{SERVICE_BUS}__fullyQualifiedNamespace"
    if environ.get(namespace):
        yield "servicebus_fully_qualified_namespace", environ[namespace], namespace


def _identity(environ: Mapping[str, str], connection: str) -> Iterator[tuple[str, str, str]]:
    if environ.get(connection):  # a connection string needs none
        return
    credential, client = f"{connection}__credential", f"{connection}__clientId"
    if environ.get(credential, "").lower() == "managedidentity":
        yield "identity", "managed_identity", credential
    if environ.get(client):
        yield "identity_client_id", environ[client], client
