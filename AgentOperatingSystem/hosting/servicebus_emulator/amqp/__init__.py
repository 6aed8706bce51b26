"""AMQP 1.0 without input or output: types, frames, and the server's side of connections, sessions and links.

Fed by `server` with bytes, asks `front` what a link is for, and collects the bytes to be written. It knows no queue.
Source of every rule here: OASIS, "AMQP Version 1.0", parts 1 (types), 2 (transport), 3 (messaging) and 5 (security).
"""
