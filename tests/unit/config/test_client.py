from pathlib import Path

import pytest

from AgentOperatingSystem.config import AOSConfig, ClientSettings, client_settings
from AgentOperatingSystem.errors import ConfigurationError


def thorough(**values: object) -> ClientSettings:
    """The same settings by the long way."""
    config = AOSConfig(**values)
    token = config.token.get_secret_value() if config.token else None
    return ClientSettings(config.url, token, config.host, config.port, config.data_dir)


def test_defaults_are_those_of_the_configuration(bare: Path) -> None:
    assert client_settings() == thorough()


def test_layers_and_their_order_are_those_of_the_configuration(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "config").mkdir()
    (bare / "config" / "a.json").write_text(
        '{"port": 9001, "host": "0.0.0.0", "data": {"dir": "here"}, "log_level": "DEBUG"}'
    )
    monkeypatch.setenv("AOS_PORT", "9002")
    monkeypatch.setenv("AOS_TOKEN", "from-the-environment")
    found = client_settings(token="from-the-caller", url=None)
    assert found == thorough(token="from-the-caller")
    assert found == ClientSettings(None, "from-the-caller", "0.0.0.0", 9002, Path("here"))


def test_another_directory_of_files_is_read(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "elsewhere").mkdir()
    (bare / "elsewhere" / "a.json").write_text('{"port": 9003}')
    monkeypatch.setenv("AOS_CONFIG_DIR", "elsewhere")
    assert client_settings().port == thorough().port == 9003


@pytest.mark.parametrize(
    "values",
    [
        {"port": 65535},
        {"host": "::1"},
        {"url": "https://example.org/agents/"},
        {"url": "http://[::1]:80"},
        {"data_dir": Path("a b")},
    ],
)
def test_what_is_rare_but_right_is_accepted(bare: Path, values: dict[str, object]) -> None:
    assert client_settings(**values) == thorough(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"port": 65536},
        {"port": "x"},
        {"url": "ftp://example.org"},
        {"url": "http://example.org?a=b"},
        {"token": "short"},
        {"token": 12345678},
        {"token": "line\nbreak"},
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_configuration(bare: Path, values: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        client_settings(**values)
    with pytest.raises(ConfigurationError) as expected:
        AOSConfig(**values)
    assert str(raised.value) == str(expected.value)
