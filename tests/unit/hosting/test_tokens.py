"""The host's token: configured, or made once and kept for its owner alone."""

import os
import stat
from pathlib import Path

import pytest

from AgentOperatingSystem import AOSConfig
from AgentOperatingSystem.config.addresses import is_loopback
from AgentOperatingSystem.errors import ConfigurationError
from AgentOperatingSystem.hosting.tokens import token_of

POSIX = pytest.mark.skipif(os.name == "nt", reason="there are no modes there")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_made_at_the_first_start_and_found_at_the_next(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path / "data")
    first = token_of(config)
    assert first.is_new
    assert len(first.text) >= 32
    second = token_of(config)
    assert (second.text, second.is_new, second.path) == (first.text, False, tmp_path / "data" / "token")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["token"]


@POSIX
def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    config = AOSConfig(data_dir=tmp_path)
    path = token_of(config).path
    assert path is not None
    assert mode(path) == 0o600
    path.chmod(0o644)
    token_of(config)
    assert mode(path) == 0o600


def test_a_configured_one_comes_first_and_is_not_written(tmp_path: Path) -> None:
    token = token_of(AOSConfig(data_dir=tmp_path, token="configured-token"))
    assert (token.text, token.path, token.is_new) == ("configured-token", None, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "myhost.example"])
def test_off_loopback_there_must_be_a_configured_one(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match="AOS_TOKEN"):
        token_of(AOSConfig(data_dir=tmp_path, host=host))
    assert list(tmp_path.iterdir()) == []
    assert token_of(AOSConfig(data_dir=tmp_path, host=host, token="configured-token")).text == "configured-token"


@pytest.mark.parametrize("content", ["", "\n", "short", "two words are none", "ä-token-that-is-not-ascii"])
def test_a_file_that_holds_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content)
    with pytest.raises(ConfigurationError, match="delete it"):
        token_of(AOSConfig(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("expected", "hosts"),
    [
        (True, ("localhost", "LocalHost.", "127.0.0.1", "127.9.9.9", "::1", "[::1]")),
        (False, ("0.0.0.0", "", "localhost.example", "10.0.0.1", "127.0.0.1.example")),
    ],
)
def test_which_addresses_are_this_machines_own(expected: bool, hosts: tuple[str, ...]) -> None:
    assert [host for host in hosts if is_loopback(host) is not expected] == []
