"""Queues, topics and subscriptions in memory: decisions without sockets, files or a clock of their own.

Asked by `front`; tells `journal` what has to be kept, and `timers` when it wants to be called again. Everything runs on
one event loop, so one call is one transaction; `server` lets nobody hear of it before the journal is on the disk.
"""
