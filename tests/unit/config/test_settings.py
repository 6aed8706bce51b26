import json
from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from AgentOperatingSystem.config import AOSConfig
from AgentOperatingSystem.errors import ConfigurationError

STORAGE = "DefaultEndpointsProtocol=https;AccountName=desk;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net"
SERVICE_BUS = "Endpoint=sb://desk.servicebus.windows.net/;SharedAccessKeyName=root;SharedAccessKey=bXktc2VjcmV0"


def write_config(folder: Path, name: str = "consolidated_config.json", **settings: object) -> Path:
    (folder / "config").mkdir(exist_ok=True)
    path = folder / "config" / name
    path.write_text(json.dumps(settings))
    return path


def complaint(**values: object) -> str:
    with pytest.raises(ConfigurationError) as raised:
        AOSConfig(**values)
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_each_layer_overrides_the_one_below(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [(AOSConfig().port, AOSConfig().origin("port"))]
    write_config(bare, port=1)
    seen.append((AOSConfig().port, AOSConfig().origin("port")))
    monkeypatch.setenv("AOS_PORT", "2")
    seen.append((AOSConfig().port, AOSConfig().origin("port")))
    seen.append((AOSConfig(port=3).port, AOSConfig(port=3).origin("port")))
    assert seen == [
        (8080, "default"),
        (1, "file config/consolidated_config.json"),
        (2, "environment AOS_PORT"),
        (3, "runtime argument port"),
    ]


def test_a_layer_that_repeats_the_default_is_still_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_PORT", "8080")
    assert AOSConfig().origin("port") == "environment AOS_PORT"


def test_the_names_of_the_specification_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", STORAGE)
    monkeypatch.setenv("AZURE_SERVICEBUS_CONNECTION_STRING", SERVICE_BUS)
    monkeypatch.setenv("APP_ENVIRONMENT", "staging")
    config = AOSConfig()
    assert config.storage_connection_string is not None
    assert config.storage_connection_string.get_secret_value() == STORAGE
    assert config.servicebus_connection_string is not None
    assert config.servicebus_connection_string.get_secret_value() == SERVICE_BUS
    assert (config.environment, config.origin("environment")) == ("staging", "environment APP_ENVIRONMENT")


def test_a_providers_own_names_are_read_and_a_short_key_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that belongs to another tool must not keep the system from starting."""
    monkeypatch.setenv("OPENAI_API_KEY", "dummy")
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    config = AOSConfig()
    assert config.openai_api_key is not None
    assert config.openai_api_key.get_secret_value() == "dummy"
    assert config.origin("huggingface_api_key") == "environment HF_TOKEN"
    assert config.model == "offline", "a key alone spends no money"
    assert {"dummy", "hf_0123456789"} <= config.secret_values()


def test_the_own_name_is_stronger_than_the_specified_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENVIRONMENT", "staging")
    monkeypatch.setenv("AOS_ENVIRONMENT", "test")
    assert AOSConfig().environment == "test"


def test_none_and_empty_mean_not_given(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(bare, token=None, tenant="acme")
    monkeypatch.setenv("AOS_TENANT", "")
    config = AOSConfig(storage_connection_string=None, tenant=None)
    assert (config.tenant, config.origin("tenant")) == ("acme", "file config/consolidated_config.json")
    assert (config.storage_connection_string, config.token) == (None, None)
    assert config.origin("storage_connection_string") == config.origin("token") == "default"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("AOS_PORT", "abc", "environment AOS_PORT: port = 'abc': input should be a valid integer"),
        ("AOS_PORT", "65536", "less than or equal to 65535"),
        ("AOS_MAX_CONCURRENT_TURNS", "0", "greater than or equal to 1"),
        ("AOS_TURN_TIMEOUT_SECONDS", "inf", "finite number"),
        ("AOS_TENANT", "a|b", "AOS_TENANT: tenant = 'a|b'"),
        ("AOS_LOG_LEVEL", "loud", "'DEBUG', 'INFO'"),
        ("AOS_HOST", " ", "AOS_HOST: host = ' '"),
        ("AOS_STORAGE_ACCOUNT_URL", "desk.blob.core.windows.net", "looks like https://"),
        ("AOS_STORAGE_ACCOUNT_URL", "https://desk.blob.core.windows.net/?sig=abc", "without a query"),
        ("AOS_SERVICEBUS_FULLY_QUALIFIED_NAMESPACE", "sb://desk.servicebus.windows.net", "without scheme"),
        ("AOS_CONFIG_DIR", "nowhere", "environment AOS_CONFIG_DIR: nowhere is not a directory"),
        ("AOS_BACKOFF_MAX_SECONDS", "0.5", "smaller than backoff_base_seconds (environment AOS_BACKOFF_MAX_SECONDS)"),
    ],
)
def test_a_bad_value_is_one_line_with_key_and_origin(
    name: str, text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    assert expected in complaint()


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_HOPS_MAX", "-1")
    message = complaint(port=-1)
    assert "environment AOS_HOPS_MAX" in message
    assert "runtime argument port" in message


@pytest.mark.parametrize("value", [True, "x" * 1000])
def test_a_number_is_no_bool_and_a_long_value_is_cut(value: object) -> None:
    assert len(complaint(port=value)) < 220


def test_unknown_keys_are_refused_in_every_layer(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint(prot=1) == "runtime argument prot is not a setting (did you mean port?)"
    assert "_env_file is not a setting" in complaint(_env_file=".env")
    monkeypatch.setenv("AOS_PROT", "1")
    assert complaint() == "environment variable AOS_PROT is not a setting (did you mean AOS_PORT?)"
    monkeypatch.delenv("AOS_PROT")
    write_config(bare, zzz=1)
    assert complaint() == "config/consolidated_config.json: key zzz is not a setting"


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        ("storage_connection_string", "hunter2hunter2", "Name=Value"),
        ("storage_connection_string", "AccountName=desk;Extra=hunter2hunter2", "AccountKey="),
        ("storage_connection_string", "AccountKey=hunter2hunter2", "AccountName="),
        ("servicebus_connection_string", "Endpoint=https://x/;SharedAccessKey=hunter2hunter2", "Endpoint=sb://"),
        ("servicebus_connection_string", "Endpoint=sb://;SharedAccessKey=hunter2hunter2", "Endpoint=sb://"),
        ("servicebus_connection_string", "Endpoint=sb://desk/;SharedAccessKey=hunter2hunter2", "SharedAccessKeyName="),
        ("database_url", "mysql://desk:hunter2@db/aos", "postgresql://user"),
        ("database_url", "postgresql://desk:hunter2@db", "postgresql://user"),
        ("database_url", "postgresql://desk:hunter2@db:port/aos", "postgresql://user"),
        ("token", "hunter2", "at least 8"),
        ("token", "hunter2 hunter2", "printable ASCII"),
        ("github_webhook_secret", "hunter2\nhunter2", "printable ASCII"),
        ("openai_api_key", "hunter2\nhunter2", "a key is printable ASCII"),
    ],
)
def test_a_bad_secret_is_explained_and_not_shown(setting: str, text: str, expected: str) -> None:
    message = complaint(**{setting: text})
    assert f"{setting}: " in message
    assert expected in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("storage_connection_string", STORAGE),
        ("storage_connection_string", "UseDevelopmentStorage=true"),
        (
            "storage_connection_string",
            "BlobEndpoint=https://desk.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x",
        ),
        ("servicebus_connection_string", SERVICE_BUS),
        ("servicebus_connection_string", "Endpoint=sb://desk/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y"),
        (
            "servicebus_connection_string",
            "Endpoint=sb://localhost;SharedAccessKeyName=Root;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;",
        ),
    ],
)
def test_the_documented_shapes_of_connection_strings_are_taken(setting: str, text: str) -> None:
    assert getattr(AOSConfig(**{setting: text}), setting).get_secret_value() == text


def test_secrets_appear_nowhere_but_in_secret_values() -> None:
    config = AOSConfig(
        storage_connection_string=STORAGE,
        servicebus_connection_string=SERVICE_BUS,
        token="tok-en-tok-en",
        database_url="postgresql://desk:pass%40word@db/aos",
    )
    shown = f"{config!r} {config} {list(config.describe())} {config.model_dump()}"
    for secret in ("c2VjcmV0LWtleQ==", "bXktc2VjcmV0", "tok-en-tok-en", "pass%40word", "pass@word"):
        assert secret not in shown
        assert secret in config.secret_values()
    assert {STORAGE, SERVICE_BUS} < config.secret_values()


def test_describe_names_value_origin_and_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AOS_DATA_DIR", "/var/aos")
    described = {setting.name: setting for setting in AOSConfig(token="x" * 20).describe()}
    assert list(described) == list(AOSConfig.model_fields)
    assert described["data_dir"][:3] == ("data_dir", "/var/aos", "environment AOS_DATA_DIR")
    assert described["token"].value == "********"
    assert described["github_webhook_secret"].value is None
    assert all(setting.documentation.endswith(".") for setting in described.values())


def test_a_configuration_does_not_change_after_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    config = AOSConfig()
    monkeypatch.setenv("AOS_PORT", "1")
    assert config.port == 8080
    with pytest.raises(ValidationError, match="frozen"):
        config.port = 1  # type: ignore[misc]  # the assignment that must fail


def test_a_subclass_adds_settings_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class DeskConfig(AOSConfig):
        desk_name: str = Field("triage", description="The desk.")

    monkeypatch.setenv("AOS_DESK_NAME", "night")
    config = DeskConfig()
    assert (config.desk_name, config.origin("desk_name")) == ("night", "environment AOS_DESK_NAME")


def test_the_origin_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="prot is not a setting"):
        AOSConfig().origin("prot")
