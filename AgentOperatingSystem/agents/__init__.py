"""Agents: what users subclass, and the system calls that their handlers receive."""
