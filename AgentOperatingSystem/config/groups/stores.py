"""What keeps state and what carries messages: Azure, PostgreSQL, or files on this machine."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings

from AgentOperatingSystem.config import kinds
from AgentOperatingSystem.config.kinds import Count, Seconds


class StoreSettings(BaseSettings):
    """What keeps state and what carries messages: Azure, PostgreSQL, or files on this machine."""

    store: Literal["auto", "embedded", "azure", "postgres"] = Field(
        "auto", description="What keeps state; `auto` takes the one that is configured, `embedded` where none is."
    )
    bus: Literal["auto", "embedded", "servicebus", "storage_queue", "postgres"] = Field(
        "auto",
        description="What carries messages; `auto` takes Service Bus where it is configured, else the store's own.",
    )
    data_dir: Path = Field(Path(".aos"), description="Where the embedded store keeps its files.")
    storage_connection_string: kinds.StorageString | None = Field(
        None,
        description="Secret. The Azure Storage account that keeps state, by account key or shared access signature.",
    )
    servicebus_connection_string: kinds.ServiceBusString | None = Field(
        None, description="Secret. The Azure Service Bus namespace that carries messages, by shared access key."
    )
    storage_account_url: kinds.AccountUrl | None = Field(
        None, description="The Azure Storage account that keeps state, with the host's managed identity."
    )
    servicebus_fully_qualified_namespace: kinds.Namespace | None = Field(
        None, description="The Azure Service Bus namespace that carries messages, with the host's managed identity."
    )
    storage_table: kinds.TableName = Field(
        "aos", description="The table that keeps agents; the names of the blob containers beside it begin with it."
    )
    storage_queue: kinds.QueueName = Field(
        "aos-mailbox", description="The storage queue that carries messages, where Service Bus does not."
    )
    servicebus_queue: kinds.EntityName = Field(
        "aos-mailbox", description="The session queue that carries messages to agents."
    )
    servicebus_topic: kinds.EntityName = Field(
        "aos-events", description="The topic that publications go to, and that others may publish to."
    )
    servicebus_router_subscription: kinds.EntityName = Field(
        "aos-router", description="The subscription of that topic by which publications reach the agents."
    )
    servicebus_log_subscription: kinds.EntityName | None = Field(
        None,
        description="A subscription of it that nobody receives from: `/publications` reads it; none shows nothing.",
    )
    database_url: kinds.DatabaseUrl | None = Field(
        None,
        description="Secret. The PostgreSQL database that keeps state and carries messages, as postgresql://…; several "
        "hosts may share it.",
    )
    database_schema: kinds.Schema = Field("aos", description="The schema of that database in which the tables lie.")
    database_connections_max: Count = Field(
        10, ge=2, description="Connections that one host opens to the database, beside the one that listens."
    )
    lease_seconds: Seconds = Field(
        15,
        ge=0.1,
        description="How long a host may give no sign to the database before others take its turns, in seconds.",
    )
