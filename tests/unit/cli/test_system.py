from collections.abc import Callable
from pathlib import Path

import pytest

from AgentOperatingSystem.cli.exits import NotReachable
from AgentOperatingSystem.cli.system import Place, Server, System, agent_place, local_url, place
from AgentOperatingSystem.config import client_settings
from AgentOperatingSystem.errors import InvalidAgentId
from tests.unit.cli.conftest import Loopback


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_where_the_server_of_this_machine_is_found(host: str, url: str) -> None:
    assert local_url(client_settings(host=host, port=80)) == url


def test_the_server_of_a_folder_is_found_where_it_says(bare: Path) -> None:
    (bare / "url").write_text("http://127.0.0.1:9000\n")
    assert local_url(client_settings(data_dir=bare, port=80)) == "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, True),
        ("http://127.0.0.1:9000", True),
        ("http://localhost", True),
        ("http://[::1]:9000", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("https://example.org", False),
    ],
)
def test_the_token_of_this_machine_is_told_to_this_machine_alone(bare: Path, url: str | None, told: bool) -> None:
    (bare / ".aos").mkdir()
    (bare / ".aos" / "token").write_text("local-token")
    system = System(client_settings(url=url), None)
    assert (system.token == "local-token") is told
    system.close()


def test_a_token_that_is_given_goes_before_the_kept_one(bare: Path) -> None:
    (bare / ".aos").mkdir()
    (bare / ".aos" / "token").write_text("local-token")
    assert System(client_settings(token="given-token"), None).token == "given-token"


def test_places() -> None:
    assert place("/x", limit=1, after=None) == Place("/api/v1/x", {"limit": 1, "after": None})
    assert agent_place("repo/a/b?c", "/state") == Place("/api/v1/agents/repo/state", {"key": "a/b?c"})
    assert agent_place("repo", under="quarantine") == Place("/api/v1/quarantine/repo", {"key": None})
    with pytest.raises(InvalidAgentId):
        agent_place("../etc")


@pytest.mark.parametrize(
    ("kind", "ask", "reason"),
    [
        (System, lambda system: system.get(place("/x")), "holds no data; start a system with `aos up`"),
        (Server, lambda system: system.post(place("/x")), "start one with `aos up`, or name another with --url"),
        (Server, lambda system: list(system.stream(place("/x"))), "start one with `aos up`"),
    ],
)
def test_where_nobody_answers_it_says_what_to_do(
    bare: Path, kind: type[System], ask: Callable[[System], object], reason: str
) -> None:
    with pytest.raises(NotReachable, match=reason):
        ask(kind(client_settings(), None))


def test_a_system_elsewhere_is_never_replaced_by_the_folder_here(bare: Path) -> None:
    (bare / ".aos").mkdir()
    (bare / ".aos" / "aos.db").touch()
    with pytest.raises(NotReachable, match=r"no system answers at http://127\.0\.0\.1:1 \(Connection refused\)$"):
        System(client_settings(url="http://127.0.0.1:1"), None).get(place("/x"))


def test_a_server_that_answers_is_asked(loopback: Loopback) -> None:
    loopback.says(200, b"[1]")
    loopback.says(200, b"[2]")
    system = System(client_settings(url=loopback.url, token="the-token"), None)
    assert system.get(place("/x", a=1)) == [1]
    assert system.delete(place("/y")) == [2]
    assert [(method, path) for method, path, _, _ in loopback.requests] == [
        ("GET", "/api/v1/x?a=1"),
        ("DELETE", "/api/v1/y"),
    ]
    system.close()
