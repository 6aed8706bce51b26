"""The user whom App Service authentication ("Easy Auth") has let in, from the headers that it sets.

Believed only where the setting `easy_auth` says that it stands before the doors: it removes these headers from what
comes from outside, and anywhere else a caller could write them himself. Source: Microsoft Learn, "Work with user
identities in Azure App Service authentication".
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from AgentOperatingSystem.errors import Unauthorized

NAME, ID, CLAIMS = b"x-ms-client-principal-name", b"x-ms-client-principal-id", b"x-ms-client-principal"
NAME_LENGTH_MAX: Final = 128
_NAME_CLAIMS: Final = ("preferred_username", "upn", "email", "name", "appid", "azp")


def user_in(headers: Mapping[bytes, bytes]) -> str:
    """The user's name, or id where there is none; empty where nobody was let in. Raises `Unauthorized` for headers
    that App Service would not write.
    """
    named = headers.get(NAME) or headers.get(ID)
    if named:
        return _checked(named.decode("latin-1"))
    packed = headers.get(CLAIMS)
    return _checked(_named_in(packed)) if packed else ""


def _named_in(packed: bytes) -> str:
    try:
        told: Any = json.loads(base64.b64decode(packed, validate=True))
        claims = {each["typ"]: each["val"] for each in told["claims"]}
        first = next(claims[kind] for kind in (told.get("name_typ"), *_NAME_CLAIMS) if claims.get(kind))
    except (binascii.Error, ValueError, TypeError, KeyError, StopIteration, AttributeError):
        raise Unauthorized("X-MS-CLIENT-PRINCIPAL cannot be read, or names nobody") from None
    return str(first)


def _checked(name: str) -> str:
    if not (0 < len(name) <= NAME_LENGTH_MAX and name.isprintable() and name.strip() == name):
        raise Unauthorized(f"X-MS-CLIENT-PRINCIPAL names nobody in 1 to {NAME_LENGTH_MAX} printable characters")
    return name
