"""Which IP addresses lie on the public internet. Pure functions; `resolving` asks them about every address of a name.

Sources: the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates), the IANA IPv6 address space
(only 2000::/3 is global unicast), and the addresses of cloud platforms' inner services.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_UNICAST = IPv6Network("2000::/3")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: an interface id that carries an IPv4 address
SPECIAL: dict[Network, str] = {
    IPv4Network("0.0.0.0/8"): "this network (RFC 791)",
    IPv4Network("10.0.0.0/8"): "private (RFC 1918)",
    IPv4Network("100.64.0.0/10"): "shared by a carrier (RFC 6598)",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "Azure's wire server",
    IPv4Network("169.254.0.0/16"): "link-local, where clouds keep their metadata (RFC 3927)",
    IPv4Network("172.16.0.0/12"): "private (RFC 1918)",
    IPv4Network("192.0.0.0/24"): "protocol assignments (RFC 6890)",
    IPv4Network("192.0.2.0/24"): "documentation (RFC 5737)",
    IPv4Network("192.31.196.0/24"): "AS112 (RFC 7535)",
    IPv4Network("192.52.193.0/24"): "AMT (RFC 7450)",
    IPv4Network("192.88.99.0/24"): "6to4 relays (RFC 7526)",
    IPv4Network("192.168.0.0/16"): "private (RFC 1918)",
    IPv4Network("192.175.48.0/24"): "AS112 (RFC 7534)",
    IPv4Network("198.18.0.0/15"): "benchmarks (RFC 2544)",
    IPv4Network("198.51.100.0/24"): "documentation (RFC 5737)",
    IPv4Network("203.0.113.0/24"): "documentation (RFC 5737)",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved, broadcast",
    IPv6Network("::/128"): "unspecified",
    IPv6Network("::1/128"): "loopback",
    IPv6Network("::ffff:0:0/96"): "IPv4-mapped",
    IPv6Network("::/96"): "IPv4-compatible (RFC 4291)",
    IPv6Network("64:ff9b::/96"): "NAT64 (RFC 6052)",
    IPv6Network("64:ff9b:1::/48"): "local NAT64 (RFC 8215)",
    IPv6Network("100::/64"): "discarded (RFC 6666)",
    IPv6Network("2001::/23"): "protocol assignments: Teredo, ORCHID, benchmarks (RFC 2928)",
    IPv6Network("2001:db8::/32"): "documentation (RFC 3849)",
    IPv6Network("2002::/16"): "6to4 (RFC 3056)",
    IPv6Network("2620:4f:8000::/48"): "AS112 (RFC 7534)",
    IPv6Network("3fff::/20"): "documentation (RFC 9637)",
    IPv6Network("5f00::/16"): "segment routing (RFC 9602)",
    IPv6Network("fc00::/7"): "unique local (RFC 4193)",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("fec0::/10"): "site-local (RFC 3879)",
    IPv6Network("ff00::/8"): "multicast",
}


def why_refused(address: str, allowed: Sequence[Network] = ()) -> str:
    """What keeps an address from being reached; empty where nothing does. `allowed` networks are exceptions.

    An address that carries another one (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP) is refused as such, whatever it
    carries; so is one with a zone. Only what is certainly public passes.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return "not an IP address"
    if isinstance(parsed, IPv6Address) and parsed.scope_id is not None:
        return "an address with a zone"
    return "" if is_within(parsed, allowed) else _why_special(parsed)


def is_within(address: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks has the address."""
    return any(address.version == network.version and address in network for network in networks)


def _why_special(address: Address) -> str:
    for network, reason in SPECIAL.items():
        if address.version == network.version and address in network:
            return reason
    if isinstance(address, IPv4Address):
        return ""
    if address not in GLOBAL_UNICAST:
        return "not global unicast"
    return "ISATAP (RFC 5214)" if int(address) >> 32 & 0xFFFF_FFFF in ISATAP else ""
