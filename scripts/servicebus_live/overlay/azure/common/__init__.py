"""Stands in for two names of azure-common that the tests import and never raise."""


class AzureHttpError(Exception):
    """An answer over HTTP that is an error."""


class AzureConflictHttpError(AzureHttpError):
    """409."""
