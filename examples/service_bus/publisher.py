"""An outside publisher: the vendor's own SDK and a JSON body. Whoever subscribed to `order.created` wakes for it."""

import os

from azure.servicebus import ServiceBusClient, ServiceBusMessage

client = ServiceBusClient.from_connection_string(os.environ["AZURE_SERVICEBUS_CONNECTION_STRING"])
with client, client.get_topic_sender("aos-events") as sender:
    order = ServiceBusMessage(b'{"total": 30}', subject="order.created", message_id="order-7")
    sender.send_messages([order, order])  # the same MessageId twice: handled once
