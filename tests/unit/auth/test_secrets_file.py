import json
from pathlib import Path

import pytest

from AgentOperatingSystem.auth.opening import Auth
from AgentOperatingSystem.auth.secrets_file import SecretsFile
from AgentOperatingSystem.clock import SystemClock
from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

KEY = "a-long-random-text"


def test_secrets_are_kept_found_and_forgotten(tmp_path: Path) -> None:
    file = SecretsFile(tmp_path / "deep" / "secrets.json", KEY)
    assert file.names() == []
    assert file.set("openai-key", "canary-öäü")
    assert file.set("groq-key", "canary-two")
    assert not file.set("groq-key", "canary-three")
    assert file.read() == {"openai-key": "canary-öäü", "groq-key": "canary-three"}
    file.remove("openai-key")
    assert file.names() == ["groq-key"]
    content = (tmp_path / "deep" / "secrets.json").read_text()
    assert "canary" not in content
    assert "groq" not in content
    assert (tmp_path / "deep" / "secrets.json").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["secrets.json"]


def test_another_key_and_a_changed_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    SecretsFile(path, KEY).set("openai-key", "canary-one")
    with pytest.raises(ConfigurationError, match="was not written with this secrets_file_key"):
        SecretsFile(path, "another-long-text").read()
    document = json.loads(path.read_text())
    sealed = document["sealed"]
    document["sealed"] = ("A" if sealed[0] != "A" else "B") + sealed[1:]
    path.write_text(json.dumps(document))
    with pytest.raises(ConfigurationError, match="or was changed since"):
        SecretsFile(path, KEY).read()
    path.write_text("{}")
    with pytest.raises(ConfigurationError, match="is no file of `aos secrets`"):
        SecretsFile(path, KEY).read()


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a_b", "x" * 128])
def test_a_name_is_one_that_a_reference_can_carry(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="letters, digits and dashes"):
        SecretsFile(tmp_path / "secrets.json", KEY).set(name, "canary")


async def test_the_file_s_own_key_may_lie_elsewhere(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SecretsFile(bare / "secrets.json", KEY).set("openai-key", "canary-one")
    monkeypatch.setenv("SOME_KEY", KEY)
    given = {"secrets_file_key": "env://SOME_KEY", "openai_api_key": "secretsfile://openai-key"}
    config = AOSConfig(secrets_file=bare / "secrets.json", **given)
    auth = Auth(config, SystemClock())
    await auth.open()
    assert config.openai_api_key is not None
    assert config.openai_api_key.get_secret_value() == "canary-one"
    await auth.close()
