"""What is typed on a command line, read and checked before anything is asked of a system."""

import json
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from AgentOperatingSystem.cli.exits import NoSuchFile
from AgentOperatingSystem.errors import ConfigurationError, InvalidInput

_ADDRESS = re.compile(r"http://[A-Za-z0-9.:\[\]-]+")


def json_value(text: str | None) -> Any:
    """A JSON value as typed: the text itself, `@file`, or `-` for standard input; None where nothing was typed.

    Raises `InvalidInput` where it is not JSON, `NoSuchFile` where the file is not there.
    """
    if text is None:
        return None
    if text == "-":
        return _parsed(sys.stdin.buffer.read(), "standard input")
    if text.startswith("@"):
        return _parsed(read_file(text[1:]), text[1:])
    return _parsed(text.encode(), "DATA")


def json_or_text(text: str) -> Any:
    """As `json_value`; what is no JSON is a text, as typed."""
    if text == "-" or text.startswith("@"):
        return json_value(text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def checked_key(event_key: str, names_them: str) -> str:
    """An event's key as typed, which a command names. Raises `InvalidInput`."""
    if not (event_key.isascii() and event_key.isalnum()):
        raise InvalidInput(f"event key {event_key!r}: `{names_them}` names them, 32 hexadecimal digits each")
    return event_key


def read_file(name: str) -> bytes:
    """The content of a file, `-` for standard input. Raises `NoSuchFile`; `InvalidInput` where it cannot be read."""
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise NoSuchFile(f"there is no file {name!r}") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{name!r} cannot be read: {_why(error)}") from None


def write_file(name: str, content: bytes) -> None:
    """Makes a new file that only its owner may read. Raises `InvalidInput` where that cannot be, or it exists."""
    path = Path(name)
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)
    except FileExistsError:
        raise InvalidInput(f"{name!r} is there already; name another file, or remove it first") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{name!r} cannot be written: {_why(error)}") from None


def read_token(data_dir: Path) -> str | None:
    """The token that a server keeps in its data folder, or None. Raises `ConfigurationError` where it is locked."""
    try:
        return (data_dir / "token").read_text().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{data_dir / 'token'} cannot be read: {_why(error)}; give --token or AOS_TOKEN"
        ) from None


def read_address(data_dir: Path) -> str | None:
    """Where the server of a data folder listens, as it says itself; None where none has said so."""
    try:
        kept = (data_dir / "url").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return kept if _ADDRESS.fullmatch(kept) else None


def _parsed(content: bytes, where: str) -> Any:
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{where} is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise InvalidInput(f"{where} is nested too deeply") from None
    except ValueError as error:
        hint = """; text needs quotes of its own: '"text"'""" if where == "DATA" else ""
        raise InvalidInput(f"{where} is not JSON: {error}{hint}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
