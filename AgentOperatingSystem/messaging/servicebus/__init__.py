"""Azure Service Bus as carrier. Nothing here imports the vendor's SDK; `messaging/servicebus_manager.py` does.

records       what is received and sent, neutral of any SDK, and the names of queue, topic and subscriptions
envelopes     events as they travel on AMQP: CloudEvents in both modes, and plain messages of others
mail          the mailbox queue: a message in and out, and `turn_of`, the turn that received messages are
publications  the topic: a publication in and out, and who gets a copy
claims        bodies too large for the broker lie in a blob, and the message names it
dead_letters  what the broker gave up becomes a row in the quarantine
ports         what the bus needs of a connection
bus           `MessageBus` over a connection
outbound      what many callers send at once leaves in one batch
receiving     sessions and subscriptions that this host reads by itself
sessions      one held session: receive, hand out, settle
sent          what was sent from here
patience      how closely the SDK looks at what it opens
following     publications read back by number
opening       the bus of a configuration, for the composition
"""
