"""An outside consumer: what agents publish comes as CloudEvents, through a subscription of its own."""

import os
from typing import Any

from azure.servicebus import ServiceBusClient

client = ServiceBusClient.from_connection_string(os.environ["AZURE_SERVICEBUS_CONNECTION_STRING"])
with client, client.get_subscription_receiver("aos-events", "outside", max_wait_time=10) as receiver:
    for message in receiver:
        receiver.complete_message(message)
        if message.subject == "till.counted":
            properties: Any = message.application_properties
            print(properties[b"cloudEvents:source"].decode(), str(message))
            break
