"""The message bus as applications see it: publish, subscribe, send, broadcast, request (specification rows 78 to 92).

Everything is durable: a publication is kept when `publish` returns, a subscription survives restarts, a handler that
fails is retried and in the end quarantined like any agent's event.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec

from AgentOperatingSystem.agents.asking import chain
from AgentOperatingSystem.agents.context import Context
from AgentOperatingSystem.errors import RequestTimedOut
from AgentOperatingSystem.events import Event, check_topic
from AgentOperatingSystem.ids import AgentId
from AgentOperatingSystem.mcp.context_server import turn_under_way
from AgentOperatingSystem.orchestration.builtin import HANDLER, FunctionHandler, Handler, handler_name
from AgentOperatingSystem.orchestration.mailroom import Mailroom
from AgentOperatingSystem.orchestration.parts import Parts
from AgentOperatingSystem.orchestration.routes import Subscription
from AgentOperatingSystem.orchestration.subscriptions import Subscriptions


class ApplicationBus:
    """`aos.message_bus`."""

    def __init__(
        self,
        parts: Parts,
        mailroom: Mailroom,
        subscriptions: Subscriptions,
        tenant: str,
        start: Callable[[], None] = lambda: None,
    ) -> None:
        """`start` begins to hand out turns: whoever sends something here expects that it is handled."""
        self._start = start
        self._parts = parts
        self._mailroom = mailroom
        self._subscriptions = subscriptions
        self._tenant = tenant

    async def publish(
        self, topic: str, message: Any = None, *, source: str = "/application", id: str = "", type: str = ""
    ) -> Event:
        """Publishes to all subscribers of `topic`; durable when this returns. Raises `InvalidTopic`, `TooLarge`."""
        event = Event(
            type=type or topic,
            topic=check_topic(topic),
            source=source,
            id=id or uuid4().hex,
            data=message,
            tenant=self._tenant,
        )
        event = self._mailroom.stamp(event)
        self._start()
        await self._mailroom.publish(event)
        return event

    async def subscribe(self, topic: str, handler: Handler | AgentId | str) -> Subscription:
        """Has `handler` called with each message of topics that match `topic`, from now on and after restarts.

        `handler` is a function at the top level of a module (known by `module:qualname`), or an agent's address. Raises
        `InvalidHandler`, `InvalidTopic`.
        """
        subscription = self._subscription(topic, handler)
        await self._subscriptions.add(self._parts, self._tenant, subscription)
        return subscription

    async def unsubscribe(self, topic: str, handler: Handler | AgentId | str) -> None:
        """Ends a subscription."""
        await self._subscriptions.remove(self._parts, self._tenant, self._subscription(topic, handler))

    async def join(self, group: str, agent: AgentId | str) -> Subscription:
        """Makes an agent a member of a group."""
        return await self.subscribe(f"aos.group.{group}", self._address(agent))

    async def broadcast(self, group: str, message: Any = None, *, sender: AgentId | str | None = None) -> Event:
        """One copy to every member of `group` but the sender."""
        source = f"/agents/{self._address(sender)}" if sender is not None else "/application"
        return await self.publish(f"aos.group.{group}", message, source=source, type="aos.broadcast")

    async def send(
        self, to: AgentId | str, message: Any = None, *, sender: AgentId | str | None = None, **fields: Any
    ) -> Event:
        """Fire and forget, to one agent: durable when this returns. Raises as `Mailroom.accept` does."""
        self._start()
        event, _ = await self._mailroom.accept(self._event(to, message, sender, fields))
        return event

    async def request(
        self,
        to: AgentId | str,
        message: Any = None,
        *,
        sender: AgentId | str | None = None,
        timeout_seconds: float = 30.0,
        **fields: Any,
    ) -> Any:
        """Asks and waits for the other agent's result. The request survives a restart of the host; this wait does not.

        Raises `RequestTimedOut`: the request is still in the mailbox then, and its outcome can be read under its id;
        `EventFailed`.
        """
        return await self.result(
            self._event(to, message, sender, {"correlation": uuid4().hex} | fields), timeout_seconds
        )

    async def result(self, event: Event, timeout_seconds: float | None) -> Any:
        """Has an event handled and answers its result. Raises as `request` does; `Deadlock` where a handler would wait
        here for an agent that waits for it, or for itself.
        """
        self._start()
        event = _with_asks(event)
        row = await self._mailroom.process(event, timeout_seconds)
        if row is None:
            why = f"within {timeout_seconds:g} s" if timeout_seconds is not None else "before the host stopped"
            raise RequestTimedOut(f"event {event.id!r} did not end {why}; it is accepted and will be handled")
        return self._mailroom.result_of(row)

    def _subscription(self, topic: str, handler: Handler | AgentId | str) -> Subscription:
        if isinstance(handler, AgentId | str):
            agent = self._address(handler)
            self._parts.registry.check_recipient(agent)
            return Subscription(topic, agent.name, agent.key)
        name = handler_name(handler)
        FunctionHandler.bound[name] = handler
        return Subscription(topic, HANDLER, name)

    def _event(self, to: AgentId | str, message: Any, sender: AgentId | str | None, fields: dict[str, Any]) -> Event:
        agent = self._address(to)
        source = f"/agents/{self._address(sender)}" if sender is not None else "/application"
        named = {"type": "aos.message", "source": source} | fields
        return Event(agent=agent, tenant=agent.tenant, data=message, **named)

    def _address(self, agent: AgentId | str) -> AgentId:
        return AgentId.parse(agent, self._tenant) if isinstance(agent, str) else agent


def _with_asks(event: Event) -> Event:
    """The event with the chain of those who wait for it, where it is a handler that waits: its agent handles nothing
    else meanwhile, so that even a question to itself closes a ring.
    """
    turn = turn_under_way()
    if not isinstance(turn, Context) or event.agent is None:
        return event
    asks = chain(turn.event.asks, turn.agent, turn.agent)
    asks = chain(turn.event.asks, turn.agent, event.agent, blocked=True)
    return msgspec.structs.replace(event, asks=asks)
