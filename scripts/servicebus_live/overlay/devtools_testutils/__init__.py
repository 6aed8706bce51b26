"""Stands in for Microsoft's test infrastructure of this name, which is in no package index.

Only what their Service Bus tests import. Written anew: no line of it is theirs.
"""

import functools
import inspect
import os
from collections.abc import Callable
from typing import Any

from azure.servicebus._base_handler import ServiceBusSharedKeyCredential
from azure.servicebus.aio._base_handler_async import ServiceBusSharedKeyCredential as AsyncCredential

KEY_NAME, KEY = "RootManageSharedAccessKey", "root-of-the-local-service-bus"
NAMESPACE = os.environ.get("LIVE_NAMESPACE", "localhost:5300")


class AzureMgmtRecordedTestCase:
    """Their base class of tests; nothing is recorded here."""

    is_live = True

    @staticmethod
    def await_prepared_test(test: Callable[..., Any]) -> Callable[..., Any]:
        """Runs the test as it is: pytest awaits it."""
        return test


AzureRecordedTestCase = AzureMgmtRecordedTestCase


def get_credential(is_async: bool = False) -> Any:
    """A credential that may do everything: a shared key, where theirs is an identity of Entra ID."""
    return (AsyncCredential if is_async else ServiceBusSharedKeyCredential)(KEY_NAME, KEY)


def recorded_by_proxy(test: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the test as it is."""
    return test


def set_custom_default_matcher(**settings: Any) -> None:
    """Of recordings; there are none."""


class _Nothing:
    """A preparer that prepares nothing."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        pass

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        return test


CachedResourceGroupPreparer = RandomNameResourceGroupPreparer = _Nothing


_SETTINGS = {
    "servicebus_fully_qualified_namespace": NAMESPACE,
    "servicebus_connection_str": f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}",
    "servicebus_sas_policy": KEY_NAME,
    "servicebus_sas_key": KEY,
}


class PowerShellPreparer:
    """Hands over the settings that their pipeline has in its environment."""

    def __init__(self, prefix: str, **fakes: str) -> None:
        self._given = {name: _SETTINGS.get(name, fake) for name, fake in fakes.items()}

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        prepared = self._async(test) if inspect.iscoroutinefunction(test) else self._sync(test)
        del prepared.__wrapped__  # whose arguments are no fixtures of pytest
        prepared.__signature__ = inspect.Signature([inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)])
        return prepared

    def _async(self, test: Callable[..., Any]) -> Any:
        @functools.wraps(test)
        async def prepared(instance: Any, **kwargs: Any) -> Any:
            return await test(instance, **accepted(test, {**self._given, **kwargs}))

        return prepared

    def _sync(self, test: Callable[..., Any]) -> Any:
        @functools.wraps(test)
        def prepared(instance: Any, **kwargs: Any) -> Any:
            return test(instance, **accepted(test, {**self._given, **kwargs}))

        return prepared


def accepted(test: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """What of it the test takes."""
    parameters = inspect.signature(test).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return given
    names = {each.name for each in parameters}
    return {name: value for name, value in given.items() if name in names}
