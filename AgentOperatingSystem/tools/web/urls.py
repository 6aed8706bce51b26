"""What a URL says, before any name is asked for: one parser for the check and for the request, and no second reading.

The text is refused where readers of URLs are known to disagree (white space, control characters, backslashes, user
names, odd spellings of numbers), so that what was checked is what is fetched. RFC 3986; the WHATWG URL standard for
hosts that end in a number.
"""

import re
from ipaddress import IPv4Address, IPv6Address

import httpx2

from AgentOperatingSystem.errors import AddressRefused, InvalidInput
from AgentOperatingSystem.tools.web.policy import WebPolicy

LENGTH_MAX = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029\ufeff]")
_USER = re.compile(r"[^/?#]*//[^/?#]*@")
_NAME = re.compile(r"(?:(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.|\Z))+(?<!\.)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def parse_url(text: str, policy: WebPolicy) -> httpx2.URL:
    """The URL, checked. Raises `InvalidInput` where it is none, and `AddressRefused` where it must not be fetched."""
    if len(text) > LENGTH_MAX:
        raise InvalidInput(f"URL: {len(text)} characters; the limit is {LENGTH_MAX}")
    if _FORBIDDEN.search(text):
        raise InvalidInput(f"URL {text[:200]!r}: white space, control characters and backslashes are not allowed")
    if _USER.match(text):  # also an empty one, which the parser would drop without a word
        raise AddressRefused(f"{_without_user(text)[:200]}: a URL with a user name is not fetched")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise InvalidInput(f"URL {text[:200]!r}: {error}") from None
    check_url(url, policy)
    return url.copy_with(fragment=None)


def check_url(url: httpx2.URL, policy: WebPolicy) -> str:
    """The host to resolve: a name in lower case, or an address in its one true spelling. Raises like `parse_url`."""
    if url.scheme not in policy.schemes:
        raise AddressRefused(f"{_shown(url)}: only {' and '.join(sorted(policy.schemes))} may be fetched")
    if url.userinfo or "@" in url.netloc.decode("ascii", "replace"):
        raise AddressRefused(f"{_shown(url)}: a URL with a user name is not fetched")
    if port_of(url) not in policy.ports:
        allowed = ", ".join(str(port) for port in sorted(policy.ports))
        raise AddressRefused(f"{_shown(url)}: port {port_of(url)} is not allowed, only {allowed}")
    return _host(url)


def port_of(url: httpx2.URL) -> int:
    """The port, said or implied."""
    return url.port or DEFAULT_PORTS.get(url.scheme, 0)


def _host(url: httpx2.URL) -> str:
    host = url.raw_host.decode("ascii", "replace").lower()
    if ":" in host:
        return _ipv6(url, host)
    name = host.removesuffix(".")
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{_shown(url)}: {host[:100]!r} is not the name of a host")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return _ipv4(url, name)
    return name


def _ipv4(url: httpx2.URL, host: str) -> str:
    """Octal, hexadecimal, short and single-number spellings are refused: nobody writes them in good faith."""
    try:
        address = IPv4Address(host)
    except ValueError:
        raise AddressRefused(f"{_shown(url)}: {host!r} is a number, but not an address in four decimal parts") from None
    return str(address)


def _ipv6(url: httpx2.URL, host: str) -> str:
    try:
        address = IPv6Address(host.strip("[]"))
    except ValueError:
        raise InvalidInput(f"{_shown(url)}: {host[:100]!r} is not an IPv6 address") from None
    if address.scope_id is not None:
        raise AddressRefused(f"{_shown(url)}: an address with a zone is not fetched")
    return str(address)


def _without_user(text: str) -> str:
    return re.sub(r"//[^/?#]*@", "//", text, count=1)


def _shown(url: httpx2.URL) -> str:
    """The URL as error messages show it: without a password."""
    return str(url.copy_with(userinfo=b""))[:200]
