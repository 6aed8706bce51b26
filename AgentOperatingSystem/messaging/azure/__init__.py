"""Azure Storage Queue as carrier: the cheapest broker, and the one that the emulator has. It carries and rings only.

letters   what lies in the queue, written and read; `turn_of`, the turn that received letters are: pure, no SDK
post      the SDK's client: put, take, hold on, drop; large bodies in blobs
publications  the latest of this host
holdings  which letters this host holds, and until when
bus       the bus over all of it
opening   the bus of a configuration, for the composition

A queue keeps no order and knows no sessions. The mailbox in the store keeps an agent's events in order as far as their
first arrival allows; two hosts that take letters of one agent at the same time are told apart by the commit's fence.
"""
