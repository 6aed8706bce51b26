"""The kinds of value that settings hold, each with its check; used by `settings` alone.

A check raises `ValueError` with a sentence that says what is expected; it never repeats the value, which may be a
secret.
"""

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

from AgentOperatingSystem.config.connection_strings import check_database, check_servicebus, check_storage
from AgentOperatingSystem.config.references import LiveSecret, reference_in

KIB = 1024
MIB = 1024 * KIB
TOKEN_LENGTH_MIN = 8
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_URL = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9_.~/-]*)?")
_ACCOUNT_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9_-]+)?/?")


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is expected, not true or false")
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _secret(check: Callable[[str], object]) -> AfterValidator:
    def checked(secret: SecretStr) -> SecretStr:
        text = secret.get_secret_value()
        reference = reference_in(text)
        if reference is not None:
            return LiveSecret(text, reference, check)
        check(text)
        return secret

    return AfterValidator(checked)


def _check_token(text: str) -> None:
    if len(text) < TOKEN_LENGTH_MIN:
        raise ValueError(f"a secret needs at least {TOKEN_LENGTH_MIN} characters")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("a secret is printable ASCII without spaces, so that it fits an HTTP header")


def _check_key(text: str) -> None:
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise ValueError("a key is printable ASCII without spaces, so that it fits an HTTP header")


def _url(text: str) -> str:
    if not _URL.fullmatch(text):
        raise ValueError("a URL looks like http://127.0.0.1:8080 or https://agents.example.org, without a query")
    return text.rstrip("/")


def _account_url(text: str) -> str:
    if not _ACCOUNT_URL.fullmatch(text):
        raise ValueError("a storage account URL looks like https://<account>.blob.core.windows.net, without a query")
    return text.rstrip("/")


def _namespace(text: str) -> str:
    if not _HOST_NAME.fullmatch(text):
        raise ValueError("a namespace looks like <name>.servicebus.windows.net, without scheme or path")
    return text


Count = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S(.*\S)?$")]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Token = Annotated[SecretStr, _secret(_check_token)]
ApiKey = Annotated[SecretStr, _secret(_check_key)]
StorageString = Annotated[SecretStr, _secret(check_storage)]
ServiceBusString = Annotated[SecretStr, _secret(check_servicebus)]
DatabaseUrl = Annotated[SecretStr, _secret(check_database)]
TableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{2,39}$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9]){2,50}$")]
EntityName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._\-]{0,48}[A-Za-z0-9])?$")]
Schema = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,47}$")]
Url = Annotated[str, AfterValidator(_url)]
AccountUrl = Annotated[str, AfterValidator(_account_url)]
Namespace = Annotated[str, AfterValidator(_namespace)]
