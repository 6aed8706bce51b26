"""The administration API over HTTP, as the vendor's `ServiceBusAdministrationClient` speaks it, and `/health`.

    http            requests and answers, without sockets
    websocket       AMQP inside HTTP
    xml             elements in and out
    descriptions    queues, topics and subscriptions as the vendor describes them
    rules           filters and actions likewise
    api             what can be asked

`server` feeds it the bytes of a socket; it reads and changes `broker.namespace`.
"""
