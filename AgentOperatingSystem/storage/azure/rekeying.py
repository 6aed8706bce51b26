"""A new key for clients that are in use: the account's key or signature has been exchanged, and nothing is to stop.

`account` makes its clients with these credentials and hands new connection strings to `rekey`; both SDKs read their
credential at every request.
"""

from typing import Any

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential


def signature_in(text: str) -> AzureSasCredential | None:
    """The credential of a connection string with a shared access signature; None where it has a key."""
    found = parts_of(text).get("sharedaccesssignature")
    return AzureSasCredential(found.lstrip("?")) if found else None


def rekey(credential: Any, text: str) -> bool:
    """Puts the key, or the signature, of a connection string into a client's credential.

    False where it does not fit: the other kind of secret, or another account's.
    """
    given = parts_of(text)
    if isinstance(credential, AzureSasCredential) and "sharedaccesssignature" in given:
        credential.update(given["sharedaccesssignature"].lstrip("?"))
        return True
    if "accountkey" not in given:
        return False
    name, key = given.get("accountname", ""), given["accountkey"]
    if isinstance(credential, AzureNamedKeyCredential) and credential.named_key.name == name:
        credential.update(name, key)
        return True
    if getattr(credential, "account_name", None) == name and hasattr(credential, "account_key"):  # of the blob client
        credential.account_key = key
        return True
    return False


def parts_of(text: str) -> dict[str, str]:
    """A connection string's parts by their names in lower case."""
    pairs = (part.partition("=") for part in text.strip().strip(";").split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
