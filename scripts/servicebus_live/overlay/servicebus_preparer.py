"""Stands in for Microsoft's module of this name: entities are made in the local Service Bus, by its administration API.

The decorators have their names and parameters. Where no server runs (`LIVE_NAMESPACE` is not set) names are made up, so
that the run without a server shows which tests need none.
"""

import functools
import inspect
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from azure.servicebus.management import AuthorizationRule, ServiceBusAdministrationClient
from devtools_testutils import KEY, KEY_NAME, NAMESPACE, accepted, get_credential

SERVICEBUS_ENDPOINT_SUFFIX = ":" + NAMESPACE.partition(":")[2]
HAS_SERVER = "LIVE_NAMESPACE" in os.environ


@dataclass(frozen=True)
class Resource:
    """What the tests look at of a resource."""

    name: str


def administration() -> Any:
    """The vendor's own client."""
    return ServiceBusAdministrationClient(NAMESPACE, get_credential())


class Preparer:
    """Makes something before a test; `made` says what, `removed` takes it away."""

    _cache: ClassVar[dict[Any, dict[str, Any]]] = {}
    cached = False
    usual_name = ""

    def __init__(self, name_prefix: str = "", parameter_name: str | None = None, **settings: Any) -> None:
        self.name_prefix = name_prefix
        self.parameter_name = parameter_name or self.usual_name
        self.settings = settings

    def __call__(self, test: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(test):

            @functools.wraps(test)
            async def prepared_async(instance: Any, **kwargs: Any) -> Any:
                found = self.found(kwargs)
                return await test(instance, **accepted(test, {**kwargs, **found}))

            return prepared_async

        @functools.wraps(test)
        def prepared(instance: Any, **kwargs: Any) -> Any:
            found = self.found(kwargs)
            return test(instance, **accepted(test, {**kwargs, **found}))

        return prepared

    def found(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments for the test."""
        if not self.cached:
            return self.made(kwargs)
        key = (type(self), self.parameter_name, str(self.settings), str(kwargs.get("servicebus_topic")))
        if key not in self._cache:
            self._cache[key] = self.made(kwargs)
        return self._cache[key]

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Makes it."""
        return {}

    def new_name(self) -> str:
        """A name that nobody has."""
        return f"{self.name_prefix or 'live'}-{uuid.uuid4().hex}"


class CachedServiceBusResourceGroupPreparer(Preparer):
    """There are no resource groups here."""


class ServiceBusNamespacePreparer(Preparer):
    """There is one namespace."""

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        connection = f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}"
        return {
            "servicebus_namespace": Resource("localhost"),
            "servicebus_namespace_connection_string": connection,
            "servicebus_namespace_key_name": KEY_NAME,
            "servicebus_namespace_primary_key": KEY,
        }


class ServiceBusQueuePreparer(Preparer):
    """A queue with these properties."""

    usual_name = "servicebus_queue"

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        name = self.new_name()
        if HAS_SERVER:
            administration().create_queue(name, **{"lock_duration": "PT30S", **self.settings})
        return {self.parameter_name: Resource(name)}


class ServiceBusTopicPreparer(Preparer):
    """A topic."""

    usual_name = "servicebus_topic"

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        name = self.new_name()
        if HAS_SERVER:
            administration().create_topic(name)
        return {self.parameter_name: Resource(name)}


class ServiceBusSubscriptionPreparer(Preparer):
    """A subscription of the topic that was made before."""

    usual_name = "servicebus_subscription"

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        name = self.new_name()[:50]
        if HAS_SERVER:
            settings = {"lock_duration": "PT30S", **self.settings}
            administration().create_subscription(kwargs["servicebus_topic"].name, name, **settings)
        return {self.parameter_name: Resource(name)}


class ServiceBusNamespaceAuthorizationRulePreparer(Preparer):
    """A key of the namespace; `__main__` gives the server one for each set of rights."""

    usual_name = "servicebus_authorization_rule"

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        rights = [each.value for each in self.settings.get("access_rights", [])]
        name = f"only-{rights[0]}" if len(rights) == 1 else KEY_NAME
        connection = f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName={name};SharedAccessKey={KEY}"
        return {self.parameter_name: Resource(name), f"{self.parameter_name}_connection_string": connection}


class ServiceBusQueueAuthorizationRulePreparer(Preparer):
    """A key of the queue that was made before."""

    usual_name = "servicebus_queue_authorization_rule"

    def made(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        queue = kwargs["servicebus_queue"].name
        key = "a-key-of-one-queue"
        if HAS_SERVER:
            rule = AuthorizationRule(
                type="SharedAccessAuthorizationRule",
                key_name="its-own",
                rights=["Manage", "Send", "Listen"],
                primary_key=key,
                secondary_key=key,
            )
            client = administration()
            client.update_queue(client.get_queue(queue), authorization_rules=[rule])
        connection = f"Endpoint=sb://{NAMESPACE}/;SharedAccessKeyName=its-own;SharedAccessKey={key};EntityPath={queue}"
        return {self.parameter_name: Resource("its-own"), f"{self.parameter_name}_connection_string": connection}


def _cached(kind: type[Preparer]) -> type[Preparer]:
    return type(f"Cached{kind.__name__}", (kind,), {"cached": True})


CachedServiceBusNamespacePreparer = _cached(ServiceBusNamespacePreparer)
CachedServiceBusQueuePreparer = _cached(ServiceBusQueuePreparer)
CachedServiceBusTopicPreparer = _cached(ServiceBusTopicPreparer)
CachedServiceBusSubscriptionPreparer = _cached(ServiceBusSubscriptionPreparer)
