"""Clients of the accounts that a `connection` names: by connection string, or by identity where the setting is a
prefix (`ServiceBusConnection__fullyQualifiedNamespace`), as the Azure Functions host reads it.

Used by the pollers.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from azure.servicebus.aio import ServiceBusClient
from azure.storage.queue.aio import QueueClient

from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.functions_host.app_settings import AppSettings

DEVELOPMENT = "UseDevelopmentStorage=true"
AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IF"
    "suFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
)
"""What `UseDevelopmentStorage=true` stands for: the storage emulator's well-known account, which is no secret."""


@asynccontextmanager
async def queue_client(settings: AppSettings, connection: str, queue: str) -> AsyncIterator[QueueClient]:
    """A client of one storage queue. Raises `ConfigurationError` where the app settings name no account."""
    text = settings.values.get(connection)
    if text:
        made = QueueClient.from_connection_string(AZURITE if text == DEVELOPMENT else text, queue)
        async with made:
            yield made
        return
    url = settings.values.get(f"{connection}__queueServiceUri") or _account_url(settings, connection)
    async with _identity(settings, connection) as credential, QueueClient(url, queue, credential=credential) as made:
        yield made


@asynccontextmanager
async def service_bus_client(settings: AppSettings, connection: str) -> AsyncIterator[ServiceBusClient]:
    """A client of one namespace. Raises `ConfigurationError` where the app settings name none."""
    text = settings.values.get(connection)
    if text:
        async with ServiceBusClient.from_connection_string(text) as made:
            yield made
        return
    namespace = settings.value(f"{connection}__fullyQualifiedNamespace")
    async with _identity(settings, connection) as credential, ServiceBusClient(namespace, credential) as made:
        yield made


def _account_url(settings: AppSettings, connection: str) -> str:
    account = settings.values.get(f"{connection}__accountName")
    if not account:
        raise ConfigurationError(f"set the app setting {connection}, or {connection}__accountName")
    return f"https://{account}.queue.core.windows.net"


@asynccontextmanager
async def _identity(settings: AppSettings, connection: str) -> AsyncIterator[Any]:
    from azure.identity.aio import DefaultAzureCredential

    client_id = settings.values.get(f"{connection}__clientId")
    async with DefaultAzureCredential(managed_identity_client_id=client_id) as credential:
        yield credential
