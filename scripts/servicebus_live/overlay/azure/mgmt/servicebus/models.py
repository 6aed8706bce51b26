"""Stands in for the one name of azure-mgmt-servicebus that the tests use."""

from enum import StrEnum


class AccessRights(StrEnum):
    """What a key may do."""

    manage = "Manage"
    send = "Send"
    listen = "Listen"
