"""The administration API: what each request asks of `entities`, and what is answered.

Microsoft Learn, "Service Bus REST API", version 2024-05. A queue or topic that is not there is answered with an empty
feed, as the vendor does it; a subscription or rule that is not there with 404.
"""

import json
from collections.abc import Callable
from http import HTTPStatus

from AgentOperatingSystem.hosting.servicebus_emulator.admin import descriptions, figures, paths, rules, xml
from AgentOperatingSystem.hosting.servicebus_emulator.admin.entities import Entities
from AgentOperatingSystem.hosting.servicebus_emulator.admin.http import Request, Response
from AgentOperatingSystem.hosting.servicebus_emulator.admin.paths import Place
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import Node
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    EntityNotFound,
    InvalidRequest,
    ServiceBusRefusal,
    Unauthorized,
)
from AgentOperatingSystem.hosting.servicebus_emulator.front.tokens import Keyring, covers
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    CorrelationFilter,
    QueueSettings,
    RuleSettings,
    SqlFilter,
    SubscriptionSettings,
    TopicSettings,
)

NAMESPACE = "sbemulatorns"
_LISTED = {"queues": QueueSettings, "topics": TopicSettings}
_HEALTHY = {"status": "healthy", "message": "Service is healthy."}


class Administration:
    """Answers requests."""

    def __init__(self, entities: Entities, world: World, keyring: Keyring, is_healthy: Callable[[], bool]) -> None:
        self._entities = entities
        self._world = world
        self._keyring = keyring
        self._is_healthy = is_healthy

    def respond(self, request: Request) -> Response:
        """Never raises for what a client sends."""
        path = request.target.partition("?")[0].lower()
        if path == "/health":
            return self._health()
        try:
            return self._answered(request, path)
        except ServiceBusRefusal as refusal:
            status = refusal.status if refusal.status in set(HTTPStatus) else 500
            return _xml(xml.problem(status, str(refusal)), status)

    def _health(self) -> Response:
        if self._is_healthy():
            return Response(200, json.dumps(_HEALTHY).encode(), "application/json")
        document = {"status": "unhealthy", "message": "The state cannot be written."}
        return Response(503, json.dumps(document).encode(), "application/json")

    def _answered(self, request: Request, path: str) -> Response:
        self._check_token(request, path.strip("/"))
        if path == "/$namespaceinfo":
            return self._namespace(request)
        place = paths.parsed(request.target)
        url = f"https://{request.headers.get('host', 'localhost')}{request.target}"
        is_update = request.headers.get("if-match") == "*"
        match request.method, place.is_list:
            case "GET", True:
                return self._list(place, url)
            case "GET", False:
                return self._get(place, url)
            case "PUT", False:
                return self._put(place, url, request.body, is_update=is_update)
            case "DELETE", False:
                return self._delete(place)
        raise InvalidRequest(f"{request.method} is not understood here")

    def _check_token(self, request: Request, path: str) -> None:
        if self._keyring.is_open:
            return
        granted, rights = self._keyring.checked(request.headers.get("authorization", ""))
        if "Manage" not in rights or not covers(granted.partition("?")[0], path):
            raise Unauthorized("Manage is needed, and the token does not give it")

    def _namespace(self, request: Request) -> Response:
        made = xml.moment(self._entities.namespace.created_ms)
        is_premium = self._world.limits.message_bytes >= descriptions.PREMIUM_MESSAGE_BYTES
        units = {"MessagingUnits": 1} if is_premium else {}
        values = {
            "CreatedTime": made,
            "MessagingSKU": "Premium" if is_premium else "Standard",
            **units,
            "ModifiedTime": made,
            "Name": NAMESPACE,
            "NamespaceType": "Messaging",
        }
        content = xml.description("NamespaceInfo", xml.leaves(values))
        at = self._entities.namespace.created_ms
        return _xml(xml.entry(f"https://localhost{request.target}", NAMESPACE, at, at, content))

    # One thing

    def _get(self, place: Place, url: str) -> Response:
        if place.rule is not None:
            node, _ = self._entities.subscription(place)
            return _xml(self._rule_entry(url, node, self._entities.rule(place)))
        try:
            return _xml(self._entry(url, self._entities.entity(place.path)))
        except EntityNotFound:
            if place.subscription is not None:
                raise
            return _xml(xml.feed(url, "Publicly Listed Services", self._world.now_ms(), []))

    def _put(self, place: Place, url: str, body: bytes, *, is_update: bool) -> Response:
        status = 200 if is_update else 201
        if place.rule is not None:
            node, rule = self._entities.put_rule(place, body, is_update=is_update)
            return _xml(self._rule_entry(url, node, rule), status)
        return _xml(self._entry(url, self._entities.put(place, body, is_update=is_update)), status)

    def _delete(self, place: Place) -> Response:
        if place.rule is not None:
            self._entities.delete_rule(place)
        else:
            self._entities.delete(place)
        return Response(200)

    def _entry(self, url: str, node: Node) -> str:
        settings = node.settings
        assert settings is not None
        content = descriptions.written(settings, figures.written(node, self._filters(node)))
        return xml.entry(url, settings.name, node.created_ms, node.updated_ms, content)

    @staticmethod
    def _rule_entry(url: str, node: Node, rule: RuleSettings) -> str:
        return xml.entry(url, rule.name, node.created_ms, node.updated_ms, rules.written(rule, node.created_ms))

    def _filters(self, node: Node) -> list[CorrelationFilter | SqlFilter]:
        subscribed = node.topic.subscribed if node.topic is not None else {}
        found = [self._entities.namespace.node(path).settings for path in subscribed]
        return [rule.filter for each in found if isinstance(each, SubscriptionSettings) for rule in each.rules]

    # Lists

    def _list(self, place: Place, url: str) -> Response:
        base = url.partition("?")[0]
        found = self._listed(place, base)
        page = found[place.skip : place.skip + place.top]
        further = None
        if len(found) > place.skip + place.top:
            further = f"{base}?$skip={place.skip + place.top}&$top={place.top}&api-version=2024-05"
        return _xml(xml.feed(url, place.entity, self._world.now_ms(), page, further), kind="feed")

    def _listed(self, place: Place, base: str) -> list[str]:
        if place.subscription is not None:
            node, settings = self._entities.subscription(place)
            return [self._rule_entry(f"{base}/{each.name}", node, each) for each in settings.rules]
        kind = _LISTED.get(place.entity.lower().removeprefix("$resources/"))
        if kind is not None:
            every = (each for each in self._entities.namespace.nodes() if isinstance(each.settings, kind))
            root = base.rpartition("/$")[0]
            return [self._entry(f"{root}/{each.path}", each) for each in sorted(every, key=lambda node: node.path)]
        topic = self._entities.entity(place.path)
        if topic.topic is None:
            raise EntityNotFound(f"{place.path!r} is no topic")
        below = sorted(self._entities.namespace.node(path).path for path in topic.topic.subscribed)
        return [self._entry(f"{base}/{path}", self._entities.namespace.node(path)) for path in below]


def _xml(document: str, status: int = 200, kind: str = "entry") -> Response:
    return Response(status, document.encode(), f"application/atom+xml;type={kind};charset=utf-8")
