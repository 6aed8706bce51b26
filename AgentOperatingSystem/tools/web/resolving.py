"""From a host to the addresses that may be connected to: each name is asked for once, and every answer is checked."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

from AgentOperatingSystem.errors import AddressRefused, ServiceError
from AgentOperatingSystem.tools.web.addresses import is_within, why_refused
from AgentOperatingSystem.tools.web.policy import WebPolicy

Resolve = Callable[[str], Awaitable[Sequence[str]]]


async def system_resolve(host: str) -> Sequence[str]:
    """The addresses of a name, as the operating system knows them. Raises `OSError`."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))


async def checked_addresses(host: str, policy: WebPolicy, resolve: Resolve = system_resolve) -> Sequence[str]:
    """All addresses of the host. One that is refused refuses the name: public and inner ones together are an attack.

    Raises `AddressRefused`, and `ServiceError` where the name has no address.
    """
    try:
        addresses = await resolve(host)
    except (OSError, UnicodeError) as error:
        raise ServiceError(f"{host}: the name has no address ({error})") from None
    if not addresses:
        raise ServiceError(f"{host}: the name has no address")
    for address in addresses:
        if reason := why_refused(address, policy.networks_allowed) or _why_own(address, policy):
            raise AddressRefused(f"{host}: {address} is not on the public internet: {reason}")
    return addresses


def _why_own(address: str, policy: WebPolicy) -> str:
    """A public address may still be this machine's own, where services listen that count on nobody calling them."""
    if is_within(ip_address(address), policy.networks_allowed):
        return ""
    return "this machine's own address" if is_own(address) else ""


def is_own(address: str) -> bool:
    """Whether the address is one of this machine's. Nothing is sent: a datagram socket that is connected only asks the
    routing table for the address it would send from.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect((address, 9))
            return bool(asking.getsockname()[0] == address)
    except OSError:
        return False  # no route at all
