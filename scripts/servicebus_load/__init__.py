"""The local Service Bus under load, with the vendor's SDK as its client: `python -m scripts.servicebus_load`."""
