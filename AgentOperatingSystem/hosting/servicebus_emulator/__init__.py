"""A Service Bus on one machine, for development and tests: the vendor's own SDK talks to it.

    amqp      frames, sessions and links, without sockets
    front     what stands behind a link: entities, $management, $cbs
    broker    queues, topics, sessions, locks, schedules: decisions in memory
    rules     filters and actions of subscriptions
    store     one SQLite file
    server    the sockets; nothing is answered before it is on the disk

It stands alone: nothing of it imports the rest of the package, and the clock is given to it.
"""
