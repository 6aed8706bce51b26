"""Addresses of this machine: asked by the host before it listens, and by the doors about whoever asks."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or an address is this machine's own loopback."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
