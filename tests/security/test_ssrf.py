"""Nothing inner is fetched, however it is spelled, redirected to or resolved; and legitimate requests succeed.

A listener on every address of this machine is the canary: the ports it waits on are allowed, so that only the check of
addresses stands between it and a request. It must see no connection.
"""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from AgentOperatingSystem.errors import AddressRefused, AOSError, InvalidInput, ServiceError
from AgentOperatingSystem.tools.web.addresses import SPECIAL, why_refused
from AgentOperatingSystem.tools.web.fetching import Fetcher
from AgentOperatingSystem.tools.web.policy import WebPolicy
from AgentOperatingSystem.tools.web.resolving import Resolve, checked_addresses, is_own, system_resolve
from tests.loopback import Answer, Asked, Server, serving
from tests.security.internal_urls import RESOLVED, SPELLINGS

PUBLIC = """
8.8.8.8 1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255 169.255.0.0
172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
168.63.129.17 2606:4700:4700::1111 2001:4860:4860::8888 2400::1 2a00:1450::1 2001:200::1
"""
LOOPBACK = (ipaddress.ip_network("127.0.0.1/32"),)


class Canary:
    """Listens on one port of every address of this machine."""

    def __init__(self) -> None:
        self.sockets = [self._listen(socket.AF_INET, "0.0.0.0", 0)]
        self.port: int = self.sockets[0].getsockname()[1]
        with suppress(OSError):  # a machine without IPv6
            self.sockets.append(self._listen(socket.AF_INET6, "::", self.port))

    @staticmethod
    def _listen(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
        listening = socket.socket(family)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((host, port))
        listening.listen()
        listening.setblocking(False)
        return listening

    def calls(self) -> int:
        seen = 0
        for listening in self.sockets:
            try:
                listening.accept()[0].close()
                seen += 1
            except BlockingIOError:
                continue
        return seen


@pytest.fixture(scope="module")
def canary() -> Iterator[Canary]:
    listening = Canary()
    yield listening
    for each in listening.sockets:
        each.close()


async def table(host: str) -> Sequence[str]:
    """The names of these tests. A number that gets this far is left to the system, which knows all old spellings."""
    if host in RESOLVED:
        return RESOLVED[host]
    return await system_resolve(host)


def any_port(canary: Canary, **more: object) -> WebPolicy:
    """Only the addresses are checked."""
    ports = frozenset({80, 443, canary.port})
    return WebPolicy(schemes=frozenset({"http", "https"}), ports=ports, seconds_max=3, **more)  # type: ignore[arg-type]


def test_there_are_enough_spellings() -> None:
    assert len(set(SPELLINGS)) == len(SPELLINGS) >= 150


@pytest.mark.parametrize("spelling", SPELLINGS, ids=ascii)
async def test_no_spelling_reaches_the_inside(canary: Canary, spelling: str) -> None:
    with pytest.raises((AddressRefused, InvalidInput)):
        await Fetcher(any_port(canary), resolve=table).fetch(spelling.format(port=canary.port))
    assert canary.calls() == 0


def test_the_canary_sings(canary: Canary) -> None:
    with socket.create_connection(("127.0.0.1", canary.port)):
        assert canary.calls() == 1


@pytest.mark.parametrize("spelling", ["0x7f.1", "2130706433", "0177.0.0.1", "127.1", "0", "localhost", "[::1]"])
async def test_what_only_the_system_s_resolver_understands_is_checked_as_well(canary: Canary, spelling: str) -> None:
    with pytest.raises(AddressRefused, match="not on the public internet"):
        await checked_addresses(spelling.strip("[]"), any_port(canary))


class Site:
    """A server that redirects as it is told; its name is resolved to loopback, which its tests allow."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = "site.example"
        self.elsewhere: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://{self.name}:{self.server.port}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    locations: dict[str, str] = {}

    def answer(asked: Asked) -> Answer:
        location = locations.get(asked.target)
        return (
            Answer(302, {"Location": location})
            if location is not None
            else Answer(body=b"reached " + asked.target.encode())
        )

    async with serving(answer) as server:
        site = Site(server)
        site.elsewhere = locations
        yield site


def site_policy(site: Site, canary: Canary, **more: object) -> WebPolicy:
    ports = frozenset({site.server.port, canary.port, 80, 443})
    return WebPolicy(
        schemes=frozenset({"http", "https"}),
        ports=ports,
        networks_allowed=LOOPBACK,
        seconds_max=5,
        **more,  # type: ignore[arg-type]
    )


async def site_table(host: str) -> Sequence[str]:
    return ["127.0.0.1"] if host == "site.example" else await table(host)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "http://[::1]:{port}/",
        "http://0x7f.2:{port}/",
        "//127.0.0.2:{port}/",
        "http://169.254.169.254:{port}/latest/",
        "http://half.example:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://user@127.0.0.2:{port}/",
        "http://127.0.0.1:{port}@127.0.0.2/",
        "ftp://127.0.0.2:{port}/",
        "file:///etc/passwd",
        "gopher://127.0.0.2:{port}/",
        "http:///127.0.0.2:{port}/",
        "http://127.0.0.2:{port}\\@site.example/",
        "http://127.0.0.2%09:{port}/",
    ],
)
async def test_every_hop_of_a_redirect_is_checked(canary: Canary, site: Site, location: str) -> None:
    site.elsewhere.update({"/a": "/b", "/b": f"{site.url}/c", "/c": location.format(port=canary.port)})
    with pytest.raises((AddressRefused, InvalidInput, ServiceError)):
        await Fetcher(site_policy(site, canary), resolve=site_table).fetch(f"{site.url}/a")
    assert canary.calls() == 0
    assert 1 <= len(site.server.asked) <= 3


async def test_redirects_have_an_end(canary: Canary, site: Site) -> None:
    site.elsewhere.update({f"/{number}": f"/{number + 1}" for number in range(9)})
    with pytest.raises(ServiceError, match="more than 3 redirects"):
        await Fetcher(site_policy(site, canary, redirects_max=3), resolve=site_table).fetch(f"{site.url}/0")
    assert len(site.server.asked) == 4
    site.elsewhere["/loop"] = "/loop"
    with pytest.raises(ServiceError, match="redirects"):
        await Fetcher(site_policy(site, canary), resolve=site_table).fetch(f"{site.url}/loop")


def rebinding(first: str, then: str) -> tuple[Resolve, list[str]]:
    """A resolver that changes its mind after the first question, and what it was asked."""
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return [first] if len(asked) == 1 else [then]

    return resolve, asked


async def test_a_name_that_changes_its_mind_is_asked_once(canary: Canary, site: Site) -> None:
    resolve, asked = rebinding("127.0.0.1", "127.0.0.2")
    fetched = await Fetcher(site_policy(site, canary), resolve=resolve).fetch(
        f"http://rebind.example:{site.server.port}/x"
    )
    assert fetched.content == b"reached /x"
    assert asked == ["rebind.example"]
    assert site.server.asked[0].headers["host"] == f"rebind.example:{site.server.port}"


async def test_a_name_that_changes_its_mind_between_hops_is_checked_again(canary: Canary, site: Site) -> None:
    resolve, asked = rebinding("127.0.0.1", "127.0.0.2")
    site.elsewhere["/a"] = f"http://rebind.example:{canary.port}/"
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.2"):
        await Fetcher(site_policy(site, canary), resolve=resolve).fetch(f"http://rebind.example:{site.server.port}/a")
    assert asked == ["rebind.example", "rebind.example"]
    assert canary.calls() == 0


def test_this_machine_s_own_addresses_are_known() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("192.0.2.1")


async def test_proxies_of_the_environment_do_not_count(
    canary: Canary, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    fetched = await Fetcher(site_policy(site, canary), resolve=site_table).fetch(f"{site.url}/direct")
    assert fetched.content == b"reached /direct"
    assert canary.calls() == 0


def certificates(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts only that one."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=folder / "certificate.pem")


async def test_https_keeps_the_name_for_certificate_sni_and_host(tmp_path: Path) -> None:
    server_tls, client_tls = certificates(tmp_path, "secure.example")
    named: list[str | None] = []
    server_tls.sni_callback = lambda connection, name, context: named.append(name)
    async with serving(lambda asked: Answer(body=b"secret"), tls=server_tls) as server:
        policy = WebPolicy(ports=frozenset({server.port}), networks_allowed=LOOPBACK)

        async def resolve(host: str) -> Sequence[str]:
            return ["127.0.0.1"]

        fetched = await Fetcher(policy, resolve=resolve, tls=client_tls).fetch(f"https://secure.example:{server.port}/")
        assert fetched.content == b"secret"
        assert fetched.url == f"https://secure.example:{server.port}/"
        assert named == ["secure.example"]
        assert server.asked[0].headers["host"] == f"secure.example:{server.port}"
        with pytest.raises(ServiceError, match="certificate"):
            await Fetcher(policy, resolve=resolve, tls=client_tls).fetch(f"https://other.example:{server.port}/")


async def test_only_https_and_its_port_by_default(canary: Canary) -> None:
    with pytest.raises(AddressRefused, match="only https may be fetched"):
        await Fetcher().fetch("http://8.8.8.8/")
    with pytest.raises(AddressRefused, match=f"port {canary.port} is not allowed, only 443"):
        await Fetcher().fetch(f"https://8.8.8.8:{canary.port}/")
    with pytest.raises(AddressRefused, match="loopback"):
        await Fetcher().fetch("https://127.0.0.1/")


async def test_a_user_name_is_refused_also_for_a_public_address() -> None:
    for url in ("https://user@8.8.8.8/", "https://user:password@public.example/", "https://@8.8.8.8/"):
        with pytest.raises(AddressRefused, match="a URL with a user name is not fetched") as raised:
            await Fetcher(resolve=table).fetch(url)
        assert "password" not in str(raised.value)


async def test_an_exception_holds_for_its_network_alone(canary: Canary, site: Site) -> None:
    policy = site_policy(site, canary)
    assert (await Fetcher(policy).fetch(f"http://127.0.0.1:{site.server.port}/here")).content == b"reached /here"
    for other in ("127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"):
        with pytest.raises(AddressRefused):
            await Fetcher(policy).fetch(f"http://{other}:{canary.port}/")
    assert canary.calls() == 0


@pytest.mark.parametrize("network", [str(network) for network in SPECIAL])
def test_both_ends_of_every_special_network_are_refused(network: str) -> None:
    parsed = ipaddress.ip_network(network)
    assert why_refused(str(parsed[0]))
    assert why_refused(str(parsed[-1]))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_addresses_pass(address: str) -> None:
    assert why_refused(address) == ""


@pytest.mark.parametrize(
    "address", ["", "localhost", "8.8.8", "0x8.8.8.8", "8.8.8.8 ", "::1%lo", "[::1]", "8.8.8.8/32"]
)
def test_what_is_no_public_address_is_refused(address: str) -> None:
    assert why_refused(address)


async def test_many_requests_at_the_same_time_are_all_checked(canary: Canary, site: Site) -> None:
    fetcher = Fetcher(site_policy(site, canary), resolve=site_table)
    good = [fetcher.fetch(f"{site.url}/{number}") for number in range(10)]
    bad = [fetcher.fetch(f"http://127.0.0.2:{canary.port}/{number}") for number in range(10)]
    answers = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert [getattr(answer, "content", None) for answer in answers[:10]] == [b"reached /%d" % n for n in range(10)]
    assert all(isinstance(answer, AddressRefused) for answer in answers[10:])
    assert canary.calls() == 0


async def test_every_refusal_is_an_error_with_a_message(canary: Canary) -> None:
    for spelling in [*SPELLINGS[::17], "http://user:password@127.0.0.1:{port}/"]:
        with pytest.raises(AOSError) as raised:
            await Fetcher(any_port(canary), resolve=table).fetch(spelling.format(port=canary.port))
        assert len(str(raised.value)) > 10
        assert "user:password" not in str(raised.value)
