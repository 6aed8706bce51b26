"""Making, changing and taking away: what the administration API does to the namespace, and keeps in the journal."""

from dataclasses import replace

from AgentOperatingSystem.hosting.servicebus_emulator.admin import descriptions, rules, xml
from AgentOperatingSystem.hosting.servicebus_emulator.admin.paths import Place, check_name
from AgentOperatingSystem.hosting.servicebus_emulator.broker.namespace import EntitySettings, Namespace, Node
from AgentOperatingSystem.hosting.servicebus_emulator.broker.records import World
from AgentOperatingSystem.hosting.servicebus_emulator.conditions import (
    EntityExists,
    EntityNotFound,
    InvalidRequest,
)
from AgentOperatingSystem.hosting.servicebus_emulator.settings import (
    AccessKey,
    Holding,
    QueueSettings,
    RuleSettings,
    SubscriptionSettings,
    TopicSettings,
)

_STORED = "stored"


class Entities:
    """The namespace, as administration changes it."""

    def __init__(self, namespace: Namespace, world: World) -> None:
        self.namespace = namespace
        self._world = world
        self._is_premium = world.limits.message_bytes >= descriptions.PREMIUM_MESSAGE_BYTES

    def put(self, place: Place, body: bytes, *, is_update: bool) -> Node:
        """Makes the queue, topic or subscription, or changes it. Raises `ServiceBusRefusal`."""
        element = _described(body)
        node = self._before(place, is_update=is_update)
        before = node.settings if node is not None else None
        made = self._settings(place, element, before)
        self._check_forwarding(made)
        if node is None:
            node = self._made(place, made)
        else:
            self.namespace.change(node, made)
        self._keep(node)
        return node

    def delete(self, place: Place) -> None:
        """Raises `EntityNotFound`."""
        self.namespace.remove(self.entity(place.path))

    def entity(self, path: str) -> Node:
        """A queue, topic or subscription; no sub-queue. Raises `EntityNotFound`."""
        node = self.namespace.node(path)
        if node.settings is None:
            raise EntityNotFound(f"there is no entity {path!r}")
        return node

    def put_rule(self, place: Place, body: bytes, *, is_update: bool) -> tuple[Node, RuleSettings]:
        """Raises `ServiceBusRefusal`."""
        node, settings = self.subscription(place)
        name = place.rule or ""
        check_name(name.removeprefix("$"), 50)
        known = {each.name.lower(): each for each in settings.rules}
        if is_update and name.lower() not in known:
            raise EntityNotFound(f"there is no rule {name!r}")
        if not is_update and name.lower() in known:
            raise EntityExists(f"there is a rule {name!r} already")
        rule = rules.read(xml.described(body, rules.NAME), name)
        known[name.lower()] = rule
        self._set_rules(node, settings, tuple(known.values()))
        return node, rule

    def delete_rule(self, place: Place) -> None:
        """Raises `EntityNotFound`."""
        node, settings = self.subscription(place)
        gone = self.rule(place)
        self._set_rules(node, settings, tuple(each for each in settings.rules if each is not gone))

    def rule(self, place: Place) -> RuleSettings:
        """Raises `EntityNotFound`."""
        _, settings = self.subscription(place)
        name = (place.rule or "").lower()
        found = next((each for each in settings.rules if each.name.lower() == name), None)
        if found is None:
            raise EntityNotFound(f"there is no rule {place.rule!r}")
        return found

    def subscription(self, place: Place) -> tuple[Node, SubscriptionSettings]:
        """Raises `EntityNotFound`."""
        node = self.entity(place.path)
        if not isinstance(node.settings, SubscriptionSettings):
            raise EntityNotFound(f"{place.path!r} is no subscription")
        return node, node.settings

    def restore(self, path: str, document: str, created_ms: int, updated_ms: int) -> None:
        """An entity from the store; what the configuration declares stays as it declares it. One whose topic is not
        there any more is left out."""
        topic, _, below = path.partition("/subscriptions/")
        if self.namespace.find(path) is not None or (below and self.namespace.find(topic) is None):
            return
        stored = xml.parsed(document.encode())
        place = Place(topic, below or None)
        settings = self._settings(place, stored[0], None, stored.get("name", ""))
        if isinstance(settings, SubscriptionSettings):
            kept = tuple(rules.read(each, xml.text(each, "Name") or "") for each in stored[1:])
            settings = replace(settings, rules=kept)
        node = self._made(place, settings)
        node.created_ms, node.updated_ms = created_ms, updated_ms

    def _before(self, place: Place, *, is_update: bool) -> Node | None:
        node = self.namespace.find(place.path)
        if is_update and node is None:
            raise EntityNotFound(f"there is no entity {place.path!r}")
        if not is_update and node is not None:
            raise EntityExists(f"there is an entity {place.path!r} already")
        return node

    def _settings(
        self, place: Place, element: xml.Element, before: EntitySettings | None, name: str = ""
    ) -> EntitySettings:
        name = before.name if before is not None else name or place.subscription or place.entity
        check_name(name, 260 if place.subscription is None else 50)
        kind = xml.local(element)
        if before is not None and descriptions.kind_of(before) != kind:
            raise EntityExists(f"{place.path!r} is there already, and is no {kind}")
        told = descriptions.told(before) if before is not None else None
        merged = descriptions.read(element, kind, told, premium=self._is_premium)
        keys = self._keys(element, before)
        if kind == "QueueDescription":
            return descriptions.queue(name, merged, keys)
        if kind == "TopicDescription":
            made = descriptions.topic(name, merged, keys)
            return replace(made, subscriptions=before.subscriptions) if isinstance(before, TopicSettings) else made
        return self._with_rules(descriptions.subscription(name, merged), element, before)

    def _with_rules(
        self, made: SubscriptionSettings, element: xml.Element, before: EntitySettings | None
    ) -> SubscriptionSettings:
        if isinstance(before, SubscriptionSettings):
            return replace(made, rules=before.rules)
        first = xml.child(element, "DefaultRuleDescription")
        if first is None:
            return made
        return replace(made, rules=(rules.read(first, xml.text(first, "Name") or "$Default"),))

    def _keys(self, element: xml.Element, before: EntitySettings | None) -> tuple[AccessKey, ...]:
        given = descriptions.read_keys(element)
        if given is not None:
            return given
        return before.about.keys if before is not None else ()

    def _check_forwarding(self, settings: EntitySettings) -> None:
        holding = Holding() if isinstance(settings, TopicSettings) else settings.holding
        for name in (holding.forward_to, holding.forward_dead_letters_to):
            node = self.namespace.find(name) if name is not None else None
            if name is not None and (node is None or node.intake is None):
                raise InvalidRequest(f"there is no queue or topic {name!r} to forward to")

    def _made(self, place: Place, settings: EntitySettings) -> Node:
        if isinstance(settings, QueueSettings):
            return self.namespace.add_queue(settings)
        if isinstance(settings, TopicSettings):
            return self.namespace.add_topic(settings)
        return self.namespace.add_subscription(self.entity(place.entity), settings)

    def _set_rules(self, node: Node, settings: SubscriptionSettings, kept: tuple[RuleSettings, ...]) -> None:
        self.namespace.change(node, replace(settings, rules=kept))
        self._keep(node)

    def _keep(self, node: Node) -> None:
        settings = node.settings
        assert settings is not None
        inner = descriptions.written(settings, "")
        if isinstance(settings, SubscriptionSettings):
            inner += "".join(rules.written(each, node.created_ms) for each in settings.rules)
        document = xml.tag(_STORED, inner, name=settings.name)
        self._world.journal.entity(node.path, document, node.created_ms, node.updated_ms)


def _described(body: bytes) -> xml.Element:
    content = xml.child(xml.parsed(body), "content")
    for kind in descriptions.DEFAULTS:
        found = xml.child(content, kind)
        if found is not None:
            return found
    raise InvalidRequest(f"one of {', '.join(descriptions.DEFAULTS)} is missing in the entry's content")
