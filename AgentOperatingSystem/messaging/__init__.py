"""Messaging: events to an agent's mailbox, publications to topics. The port is in `ports.py`, one adapter per file."""
