"""Which hosts are this machine alone: what a token that lies here may be told to, what needs none to be safe."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
