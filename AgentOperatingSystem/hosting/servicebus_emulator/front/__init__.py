"""What stands behind a link: an entity to send to or receive from, `$management`, or `$cbs`.

Fed by `amqp` with messages, credit and dispositions; asks `broker`, and turns its refusals into AMQP's errors.
"""
